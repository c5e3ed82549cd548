"""Real servers of several releases of MLflow: ``python -m tests.versions``."""
