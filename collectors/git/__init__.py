"""The git observer: commits, branches and tags of a local repository or clone.

``collect`` is the door: it reads what is new since a cursor and gives it as facts of the language, in batches. Nothing
here touches the network or writes to the repository; which commits runs name is asked by whoever calls.
"""

from collectors.git.collect import Batch, Choices, Summary, collect, nobody_named
from collectors.git.cursor import Cursor
from collectors.git.observe import Commit, GitError, Identity, Repository, open_repository
from collectors.git.reach import Ask, Named
from graph_schema.repository_names import repository_url

__all__ = [
    "Ask",
    "Batch",
    "Choices",
    "Commit",
    "Cursor",
    "GitError",
    "Identity",
    "Named",
    "Repository",
    "Summary",
    "collect",
    "nobody_named",
    "open_repository",
    "repository_url",
]
