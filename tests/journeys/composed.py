"""The services of docker-compose.yml as processes of this machine, for where no Docker is at hand.

Read from the compose file: commands, entry points, variables, secrets, volumes, waits, health checks, and who shares a
network with whom; from the Dockerfile: what an image adds to them. What is changed on the way, and nothing else: hosts
and ports become loopback and free ones, and folders of containers become folders below one. Not shown here: users,
rights and root file systems that cannot be written (image_check.py confines the service so), networks without a way
out, and foreign images, whose servers a test starts by itself.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.graphdb.leash import leash
from tests.journeys.mlflow_server import free_port
from tests.journeys.postgres_server import programs
from tests.unit.packaging import composition
from tests.unit.packaging.dockerfile import environment_of, stages, words_of

_HOME: Final = "/var/lib/lineage"
_SECRETS: Final = "/run/secrets"
_HEALTHY_SECONDS: Final = 180.0
_RUN_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0


class Composed:
    """The compose file with these variables, its services as processes below a folder.

    `servers` says where a server of a foreign image is, such as {"minio:9000": "127.0.0.1:41234"}: whoever makes this
    has started it. `more` gives variables another value, wherever the file has them. Secrets lie in `folder`/secrets.
    """

    def __init__(
        self, folder: Path, servers: Mapping[str, str], *, more: Mapping[str, str], variables: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.told = ""
        self._more = more
        self._services: dict[str, Any] = composition.read(variables)["services"]
        self._foreign = {name for name, service in self._services.items() if "build" not in service}
        self._addresses = dict(servers)
        for name, service in self._services.items():
            for port in service.get("ports", ()):
                self._addresses[f"{name}:{port.rpartition(':')[2]}"] = f"127.0.0.1:{free_port()}"
        self._write_files_of_images()

    def url(self, name: str) -> str:
        """Return where a service with a published port answers."""
        return f"http://{self._addresses[f'{name}:{self._port(name)}']}"

    def log(self, name: str) -> str:
        """Return what a service printed so far."""
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def compose(self, command: list[str]) -> str:
        """Do what `docker compose` would do with these words, and return what is printed; `> FILE` is a redirection."""
        if command[0] == "--profile":
            return self._up(command[3:], command[1])
        match command[0]:
            case "build":
                return ""
            case "up":
                return self._up(command[1:], None)
            case "run" | "exec":
                name, words = composition.named_by(command)
                printed = self._run(name, [*(self._entry(name) if command[0] == "run" else ()), *words])
                if ">" in command:
                    (self.folder / command[-1]).write_text(printed)
                return printed
        raise ValueError(f"this is not done without Docker: {command}")

    def stop(self) -> dict[str, int]:
        """Ask every service to end, the last first, and make sure that nothing is left; return their exit codes."""
        codes = {}
        for name, process in reversed(self.running.items()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                codes[name] = process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                codes[name] = -signal.SIGKILL
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.running.clear()
        return codes

    def variables(self, name: str) -> dict[str, str]:
        """Give the environment of a service: nothing of ours, what its image sets, what the file sets."""
        home = self.folder / "homes" / name
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        path = f"{self._files}/usr/local/bin:{Path(sys.executable).parent}:{programs()}:/usr/bin:/bin"
        every = {**self._image(name), **composition.variables_of(self._services[name])}
        given = {variable: self._here(name, value) for variable, value in every.items()}
        given |= {variable: value for variable, value in self._more.items() if variable in given}
        # libpq takes host and port apart, and the file never says the port, which is the usual one there.
        address = self._reachable(name).get(f"{given.get('PGHOST', 'postgres')}:5432")
        if address:
            host, _, port = address.partition(":")
            given |= {"PGPORT": port, **({"PGHOST": host} if "PGHOST" in given else {})}
        return {"PATH": path, "HOME": str(home), "TMPDIR": str(home / "tmp"), "LANG": "C.UTF-8", **given}

    def _up(self, words: list[str], profile: str | None) -> str:
        named = [word for word in words if not word.startswith("-")]
        for name, service in self._services.items():
            if name in named or (not named and set(service.get("profiles", [])) <= {profile}):
                self._start(name)
                if "--wait" in words:
                    self._wait_until_healthy(name)
        return ""

    def _start(self, name: str) -> None:
        """Start a service after those that it waits for, if it does not run and is ours to start."""
        if name in self.running or name in self._foreign:
            return
        self._wait_for_others(name)
        command = [*self._entry(name), *self._command(name)]
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as out:
            self.running[name] = subprocess.Popen(
                [*leash(), *command], cwd=self._home(name), env=self.variables(name),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def _wait_for_others(self, name: str) -> None:
        for other, how in self._services[name].get("depends_on", {}).items():
            self._start(other)
            if how["condition"] == "service_healthy":
                self._wait_until_healthy(other)
            else:
                code = self.running[other].wait(_RUN_SECONDS)
                assert code == 0, f"{other} ended with {code}:\n{self.log(other)[-3000:]}"

    def _wait_until_healthy(self, name: str) -> None:
        """Repeat the health check of the file; foreign servers but PostgreSQL are others here, and have answered."""
        if name in self._foreign - {"postgres"}:
            return
        check = [self._here(name, word) for word in self._services[name]["healthcheck"]["test"][1:]]
        deadline = time.monotonic() + _HEALTHY_SECONDS
        while True:
            found = subprocess.run(
                check, env=self.variables(name), cwd=self._home(name), capture_output=True, text=True, check=False
            )
            if found.returncode == 0:
                return
            ended = name in self.running and self.running[name].poll() is not None
            assert not ended, f"{name} ended:\n{self.log(name)[-3000:]}"
            assert time.monotonic() < deadline, f"{name} is not well: {found.stderr}\n{self.log(name)[-3000:]}"
            time.sleep(0.3)

    def _run(self, name: str, command: list[str]) -> str:
        """Run one command as a service to its end, after those that it waits for; what it says beside is in `told`."""
        self._wait_for_others(name)
        ended = subprocess.run(
            command, env=self.variables(name), cwd=self._home(name), capture_output=True, text=True,
            timeout=_RUN_SECONDS, check=False,
        )  # fmt: skip
        self.told = ended.stderr
        assert ended.returncode == 0, f"{command} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def _entry(self, name: str) -> list[str]:
        given: list[str] | None = self._services[name].get("entrypoint")
        return given or words_of(stages()[self._stage(name)], "ENTRYPOINT", stages())

    def _command(self, name: str) -> list[str]:
        given = self._services[name].get("command") or words_of(stages()[self._stage(name)], "CMD", stages())
        listening = {"0.0.0.0": "127.0.0.1"}  # noqa: S104  it is what must not be listened on here
        if port := self._port(name):
            listening[port] = self._addresses[f"{name}:{port}"].rpartition(":")[2]
        return [listening.get(word) or self._here(name, word) for word in given]

    def _stage(self, name: str) -> str:
        stage: str = self._services[name]["build"]["target"]
        return stage

    def _image(self, name: str) -> dict[str, str]:
        return environment_of(stages()[self._stage(name)], stages()) if "build" in self._services[name] else {}

    def _port(self, name: str) -> str:
        (port,) = self._services[name].get("ports", [""])
        return str(port).rpartition(":")[2]

    def _home(self, name: str) -> Path:
        return self.folder / "homes" / name

    @property
    def _files(self) -> Path:
        return self.folder / "files"

    def _here(self, name: str, text: str) -> str:
        """Say where a path, or a host with its port, of a container is on this machine."""
        places = self._places(name)
        every = "|".join(re.escape(place) for place in sorted(places, key=len, reverse=True))
        return re.sub(rf"({every})(?![0-9])", lambda found: places[found[1]], text)

    def _places(self, name: str) -> dict[str, str]:
        places = {_SECRETS: str(self._secrets(name)), _HOME: str(self._home(name)), **self._reachable(name)}
        for volume in self._services[name].get("volumes", ()):
            if isinstance(volume, dict):
                places[volume["target"]] = volume["source"]
            else:
                source, _, target = volume.partition(":")
                places[target] = str(self._volume(source))
        for path in (path for stage in stages().values() for path in stage.files):
            places[path] = f"{self._files}{path}"
        if port := self._port(name):
            here = self._addresses[f"{name}:{port}"]
            places |= {f"{host}:{port}": here for host in ("0.0.0.0", "127.0.0.1")}  # noqa: S104  the same
            places[f"localhost:{port}"] = here.replace("127.0.0.1", "localhost")
        return places

    def _reachable(self, name: str) -> dict[str, str]:
        """Give the addresses of services with which this one shares a network; other names stay, and lead nowhere."""
        networks = {one: set(service.get("networks", ())) for one, service in self._services.items()}
        host = re.compile(r"([a-z0-9-]+):[0-9]+$")
        named = {address: found[1] for address in self._addresses if (found := host.search(address))}
        return {address: self._addresses[address] for address, one in named.items() if networks[one] & networks[name]}

    def _volume(self, source: str) -> Path:
        path = self.folder / "volumes" / source
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _secrets(self, name: str) -> Path:
        """Give the folder in which a service sees those secrets that the file gives it, and no others."""
        path = self._home(name) / "secrets"
        path.mkdir(parents=True, exist_ok=True)
        for secret in self._services[name].get("secrets", ()):
            if not (path / secret).is_symlink():
                (path / secret).symlink_to(self.folder / "secrets" / secret)
        return path

    def _write_files_of_images(self) -> None:
        for path, content in ((path, text) for stage in stages().values() for path, text in stage.files.items()):
            place = Path(f"{self._files}{path}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
            place.chmod(0o755)
