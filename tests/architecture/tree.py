"""Where the tree is and which of its files the tests of this folder look at."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("graph_schema", "collectors", "lineage_service")


def package_modules() -> list[Path]:
    """Give every Python file of the three packages, sorted."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    """Give a file's name as it reads from the root, with forward slashes."""
    return path.relative_to(ROOT).as_posix()


def own_files() -> list[Path]:
    """Give every file that belongs to the tree: tracked, or new and not ignored.

    In an unpacked source distribution, where there is no repository, these are all files outside of hidden folders.
    """
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        names = sorted({name for name in listing.split("\0") if name})
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    inside = [path for path in ROOT.rglob("*") if path.is_file()]
    return sorted(path for path in inside if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))
