"""The git observer: commits, branches and tags of a local repository or clone.

``collect`` is the door: it reads what is new since a cursor and gives it as facts of the language, in batches. Nothing
here touches the network or writes to the repository.
"""

from collectors.git.collect import Batch, collect
from collectors.git.cursor import Cursor
from collectors.git.observe import Commit, GitError, Identity, Repository, open_repository
from graph_schema.repository_names import repository_url

__all__ = [
    "Batch",
    "Commit",
    "Cursor",
    "GitError",
    "Identity",
    "Repository",
    "collect",
    "open_repository",
    "repository_url",
]
