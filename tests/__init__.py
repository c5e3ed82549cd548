"""The tests of lineage-service; never shipped."""
