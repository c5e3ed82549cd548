"""The OpenLineage receiver: one event of any producer becomes facts of the language.

The service's ``POST /lineage`` hands in what it parsed and keeps the raw event; nothing here reads a network or a disk.
"""

from collectors.openlineage.document import OpenLineageError
from collectors.openlineage.translate import one_spelling, translate

__all__ = ["OpenLineageError", "one_spelling", "translate"]
