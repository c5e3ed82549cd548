"""One address for one repository, whoever names it, and never a credential in it.

A remote is written in many ways, and a key in the graph is for ever. Rules:

- user and password are dropped, because they are how somebody got in; only the user ``git`` of ssh stays, which is part
  of the address at most hosts. Query and fragment are dropped: tokens travel there too;
- ``git@host:path`` is ``ssh://git@host/path``, and so are ``git+ssh`` and ``ssh+git`` (git-clone(1), "GIT URLS");
- scheme and host are in lower case, the usual port of a scheme is left out (RFC 3986, 6.2);
- a trailing ``.git`` and trailing slashes are dropped: hosts and git itself find the repository either way;
- a repository on the own machine is an absolute path, without ``file://``.

https and ssh addresses of one host stay two: that they mean the same is a habit of hosts, not a rule.
Collectors are strangers to each other; what all of them need to say of a repository stands here.
"""

import re
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

MAX_LENGTH: Final = 4096

_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCP = re.compile(r"(?:(?P<user>[^/]*)@)?(?P<host>[^:/@\[\]?#]+|\[[^\]/]+\]):(?P<path>.*)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_ENDING = re.compile(r"(?:/|\.git|\s)+\Z")
_PORTS: Final = {"http": 80, "https": 443, "ssh": 22, "git": 9418}
_SSH: Final = frozenset({"git+ssh", "ssh+git"})


def repository_url(text: str) -> str | None:
    """Return the address under which a repository is known here; None for what is none that others could follow.

    None are relative paths, drives of Windows, addresses for remote helpers (``ext::…``), and what cannot be read.
    An address that was returned stays as it is.
    """
    text = text.strip()
    if _HELPER.match(text) or _DRIVE.match(text) or len(text) > MAX_LENGTH:
        return None
    found = _address(text)
    return None if not found or len(found) > MAX_LENGTH or _UNPRINTABLE.search(found + text) else found


def _address(text: str) -> str | None:
    if text.startswith("/"):
        return _bare(text) or "/"
    if _URL.match(text):
        return _of_url(text)
    found = _SCP.fullmatch(text)
    if found is None or "@" in found["path"].partition("/")[0]:
        # An @ behind the colon is more likely the end of a password than part of a name.
        return None
    user = "git@" if (found["user"] or "").partition(":")[0] == "git" else ""
    path = found["path"].lstrip("/").replace("?", "%3F").replace("#", "%23")
    return _of_url(f"ssh://{user}{found['host']}/{path}")


def _of_url(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    path = _bare(parts.path)
    scheme = "ssh" if parts.scheme in _SSH else parts.scheme
    if scheme == "file":
        return _bare(unquote(path)) or "/" if host in (None, "", "localhost") else None
    return f"{scheme}://{_user(scheme, parts)}{_place(scheme, host, port)}{path}" if host and path else None


def _user(scheme: str, parts: SplitResult) -> str:
    return "git@" if scheme == "ssh" and parts.username == "git" else ""


def _place(scheme: str, host: str, port: int | None) -> str:
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, _PORTS.get(scheme)) else f"{host}:{port}"


def _bare(path: str) -> str:
    return _ENDING.sub("", path)
