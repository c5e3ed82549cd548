"""The routes, one module for each family. A route is: types in the signature, one call, a reply."""

from typing import Final

API: Final = "/api/v1"
"""In front of every route but those that ask how the service is."""
