"""The archive: a signed ledger of facts, the lineage graph folded from it, and the questions asked of both."""

from typing import Final

__version__: Final = "0.1.0"
