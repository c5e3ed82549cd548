"""The door of a running installation: HTTP in, recorder and queries behind it.

Everything about HTTP (status codes, headers, tokens on the wire) lives here and nowhere else. ``create_app`` in
``app`` assembles; ``serve`` in ``serve`` runs it; ``opening`` is what the commands need without a web framework.
"""
