"""MLflow: what its server is asked to do (``plugin``), turned into facts of the language (``translate``, ``runs``)."""
