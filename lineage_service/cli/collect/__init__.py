"""`lineage collect …`: observers, one module a system, over HTTP to the running service."""
