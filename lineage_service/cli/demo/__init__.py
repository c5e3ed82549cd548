"""``lineage demo``: the whole line on real parts, so that a newcomer sees it work before reading anything."""
