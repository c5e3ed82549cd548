"""Becomes the command that follows, and asks Linux to kill it when whoever started this ends: `leash.py COMMAND …`.

A test run that is killed, or ends in the middle, cannot stop what it started; a forgotten Neo4j would keep its memory
for days. The kernel ends the process when the *thread* that started it ends, so servers are started in the main one.
That goes for every server of the tests, not for Neo4j alone.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def leash() -> list[str]:
    """Return what to write before a command so that it ends with this process; nothing where there is no Linux."""
    return [sys.executable, __file__] if sys.platform == "linux" else []


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  no shell is meant to be between
