"""Where crash rounds take place: a folder, and a Neo4j server of one's own if the ledger is kept in one."""

from dataclasses import dataclass
from pathlib import Path

from lineage_service.recorder.installation import Places, create
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.authority import Authority
from lineage_service.server.rights import Registrar, SourceWish
from tests.faults.crash_service import places_in
from tests.graphdb.installation import emptied, settings_for, store_address
from tests.graphdb.process import Neo4jProcess


@dataclass(frozen=True, slots=True)
class Site:
    """The folder of one ledger, and the server that keeps it; None: a file in the folder does."""

    folder: Path
    server: Neo4jProcess | None = None

    @property
    def places(self) -> Places:
        """Where the installation keeps what."""
        if self.server is None:
            return places_in(self.folder)
        return Places(store_address(self.server.address), self.folder / "keys")

    @property
    def marks(self) -> Path:
        """The file by which the writer is stopped at a mark."""
        return self.folder / "marks"

    @property
    def environment(self) -> dict[str, str]:
        """What tells a service in a process of its own where the ledger is."""
        if self.server is None:
            return {}
        return settings_for(store_address(self.server.address))


def new_ledger(site: Site) -> str:
    """Make an installation with one registered source, its server emptied before; return the source's token."""
    if site.server is not None:
        emptied(site.server.address)
    installation = create(site.places, origin="crash.example/log")
    authority = Authority(installation, wall_clock, lambda _finding: None)
    wish = SourceWish("mlflow", "prod", families=["run", "model"], assurance="authenticated")
    issued = Registrar(installation, authority).register_source(wish, {"assurance": "system"})
    installation.close()
    return issued.token
