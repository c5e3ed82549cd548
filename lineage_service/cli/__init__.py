"""The command ``lineage``: one module a family of verbs, typed by people and read by scripts.

- ``door``: where the console script enters; light, so that it can say what is missing.
- ``app``: puts the verbs together and turns every error into an exit code and three sentences.
- ``exits``: which error ends with which code, whether data is safe, what to do next.
- ``screen``, ``tables``, ``export``, ``service``: how answers look, what files they become, how the service is reached.
- ``installation``, ``doctor``, ``verify``, ``rebuild``, ``backup``, ``moving``: verbs that open the store themselves.
- ``access``, ``ask``, ``collect``, ``record``: verbs that go over HTTP to the running service.
"""
