"""Where a ledger is kept: a file, or a database of a Neo4j server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Address:
    """A database of a Neo4j server: ``url`` is ``neo4j://host:port`` (finds the leader) or ``bolt://host:port``."""

    url: str
    user: str
    password: str
    database: str = "neo4j"

    def __repr__(self) -> str:
        """Everything but the password."""
        return f"Address({self.url}, {self.user}, {self.database})"

    def __str__(self) -> str:
        """The address and the database's name, as people are told them."""
        return f"{self.url} (database {self.database})"


Database = Path | Address
"""A SQLite file, or a database of a Neo4j server."""

Found = Literal["nothing", "a ledger", "something else"]
"""What is kept at such a place."""
