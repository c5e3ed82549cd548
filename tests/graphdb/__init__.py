"""A genuine Neo4j for the tests: how one is found, started, broken and emptied. README.md says how to get one."""
