"""One name for one dataset, whoever names it.

The join between systems is the namespace and name of a dataset, after the OpenLineage naming conventions
(https://openlineage.io/docs/spec/naming). Producers keep to them with small differences, and MLflow gives plain URIs.
Spellings are brought together here only where they certainly mean the same data; elsewhere a ``SAME_AS`` fact does it.
A name once brought together stays as it is. The rules, each with its source:

- The scheme of a namespace is in lower case (RFC 3986, 3.1).
- ``s3a`` and ``s3n`` are clients of the same store as ``s3``; ``abfs`` and ``abfss``, ``wasb`` and ``wasbs`` differ in
  transport only (the OpenLineage clients write s3, abfss, wasbs); ``gcs`` is ``gs`` and ``postgresql`` is ``postgres``
  (naming conventions; the OpenLineage provider of Airflow).
- Local files: the namespace is ``file`` (naming conventions, "Local file system"). ``file:``, ``file://``, ``file:///``
  and ``file://localhost`` are the same place (RFC 8089, 2); with a path behind, which tables in a warehouse have, it is
  ``file:/path``. ``file://host`` is another machine and stays.
- A namespace does not end in ``/`` (the OpenLineage clients strip it), and an empty authority leaves the bare scheme:
  ``dbfs:/`` is ``dbfs``.
- Paths of ``hdfs`` and ``dbfs`` always begin at the root, and producers differ about writing its slash: it is left out.
  Paths of these and of ``file`` do not end in ``/``. Keys of object stores are kept: ``a`` and ``a/`` are two objects.
- A user and a password in an address are how somebody got in, not what the data is, and a key is for ever: they are
  dropped from databases, and elsewhere where there is a password. The container in front of the ``@`` of ``abfss`` and
  ``wasbs`` stays.
"""

import re
from typing import Final
from urllib.parse import unquote

_ALIASES: Final = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "abfs": "abfss",
    "wasb": "wasbs",
    "postgresql": "postgres",
}
_ROOTED: Final = frozenset({"hdfs", "dbfs"})
_OBJECT_STORES: Final = frozenset({"s3", "gs", "abfss", "wasbs"})
_WEB: Final = frozenset({"http", "https"})
_DATABASES: Final = frozenset(
    {
        "postgres",
        "mysql",
        "redshift",
        "snowflake",
        "sqlserver",
        "mssql",
        "oracle",
        "trino",
        "hive",
        "mongodb",
        "clickhouse",
    }
)

# One letter is a drive of Windows, not a scheme.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):", re.ASCII)


def dataset_name(namespace: str, name: str) -> tuple[str, str]:
    """Return the namespace and name under which a dataset is known here; what is not certain is left as it is."""
    namespace = _namespace(namespace)
    scheme, _, place = namespace.partition(":")
    if scheme in _ROOTED and "/" not in place.removeprefix("//"):
        return namespace, name.strip("/") or ("/" if name else "")
    if scheme == "file":
        return namespace, name.rstrip("/") or name[:1]
    return namespace, name


def dataset_from_uri(uri: str) -> tuple[str, str]:
    """Return the namespace and name of the dataset at an address such as ``s3://bucket/key`` or ``file:///a/b``.

    A text without a scheme is a path on somebody's machine. The name is the path without its leading slash (``/`` for
    the root), and without a slash at the end except on the web. Of a database the query (how to connect) is left out;
    in an object store ``?`` and ``#`` may be part of a key and stay. Only ``file`` addresses are percent-decoded: the
    clients of the others take their keys literally.
    """
    found = _SCHEME.match(uri)
    if found is None:
        return dataset_name("file", uri)
    scheme = _scheme(found[1])
    rest = uri[found.end() :]
    if scheme not in _OBJECT_STORES | _ROOTED | {"file"}:
        rest = rest.partition("#")[0]
        rest = rest if scheme in _WEB else rest.partition("?")[0]
    place, path = _split_address(rest)
    if scheme == "file":
        return dataset_name(f"file:{place}", _decoded(path))
    name = path.removeprefix("/")
    if scheme not in _WEB:
        name = name.rstrip("/")
    return dataset_name(f"{scheme}:{place}" if place else scheme, name or "/")


def _split_address(rest: str) -> tuple[str, str]:
    """Take ``//authority/path`` apart into ``//authority`` and ``/path``."""
    if not rest.startswith("//"):
        return "", rest
    authority, slash, path = rest[2:].partition("/")
    return f"//{authority}" if authority else "", slash + path


def _decoded(path: str) -> str:
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        return path


def _namespace(text: str) -> str:
    found = _SCHEME.match(text)
    if found is None:
        return text.rstrip("/") or text
    scheme, rest = _scheme(found[1]), text[found.end() :]
    if scheme == "file":
        return _file_namespace(rest)
    if not rest.startswith("/"):
        return text.rstrip("/")
    place, path = _split_address(rest)
    place = _without_credentials(scheme, place)
    path = path.rstrip("/") if place else _rooted(path)
    return f"{scheme}:{place}{path}" if place or path else scheme


def _file_namespace(rest: str) -> str:
    if rest and not rest.startswith("/"):
        return f"file:{rest.rstrip('/')}"
    place, path = _split_address(rest)
    place = _without_credentials("file", place)
    place = "" if place.lower() == "//localhost" else place
    return f"file:{place}{_rooted(path)}" if place or _rooted(path) else "file"


def _rooted(path: str) -> str:
    """Return a path with one slash in front, for two would make its first folder a host; the root itself is empty."""
    return f"/{path.strip('/')}" if path.strip("/") else ""


def _scheme(text: str) -> str:
    return _ALIASES.get(text.lower(), text.lower())


def _without_credentials(scheme: str, place: str) -> str:
    user, at, host = place.removeprefix("//").rpartition("@")
    if not at or (scheme not in _DATABASES and ":" not in user):
        return place
    return f"//{host}" if host else ""
