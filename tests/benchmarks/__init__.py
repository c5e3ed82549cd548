"""Benchmarks: one command, ``python -m tests.benchmarks``, figures beside what is expected of them."""
