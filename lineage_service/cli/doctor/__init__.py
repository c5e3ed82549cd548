"""`lineage doctor`: one module a part of the installation that is looked at; none of them changes anything."""
