"""The questions of the story and their answers, with the same commands a user would type; then verification."""

import sys
from typing import Final

from lineage_service.cli.demo.happenings import PRODUCTION, roll_back
from lineage_service.cli.demo.stage import Stage
from lineage_service.cli.demo.tampering import forge_copy
from lineage_service.cli.demo.world import APPLICANTS, LAKE, MODEL, MONTHS
from lineage_service.cli.screen import emit, say

_DRIFT: Final = ("live", "--drift", MODEL)


def ask(stage: Stage) -> None:
    """Ask as the engineer, the owner of the model and the auditor would, and print what they are answered."""
    _ask(stage, "Does anything serve another version than the registry calls Production?", *_DRIFT)
    _ask(stage, "Version 4 is worse than 3. What was it made of?", "provenance", f"model_version:{MODEL}/4")
    _ask(stage, "And version 3?", "provenance", f"model_version:{MODEL}/3")
    damaged = f"dataset_version:{LAKE}::{APPLICANTS}@{MONTHS[2].version}"
    _ask(stage, "The code is the same, the table is not. What else does that table touch?", "impact", damaged)
    roll_back(stage)
    _ask(stage, "Does anything still serve another version?", *_DRIFT)
    _ask(stage, "Who deployed what, when, why, approved by whom?", "deployments", MODEL)
    _ask(stage, f"What did {PRODUCTION} serve when it was wrong?", "live", MODEL, "--as-of", stage.wrong_at)
    _ask(stage, "What happened to version 4, denied attempts included?", "history", f"model_version:{MODEL}/4")


def verify(stage: Stage) -> None:
    """Verify the log, then a copy in which somebody changed one record."""
    _say("Was anything altered?", "verify", "--deep")
    emit(stage.command("verify", "--deep").rstrip())
    seq = forge_copy(stage.folder / "lineage", stage.folder / "forged")
    _say(f"And in a copy where record {seq} was changed to tell another story?", "verify")
    emit(stage.command("verify", data="forged", ends=1).rstrip())


def _ask(stage: Stage, question: str, *arguments: str) -> None:
    _say(question, "ask", *arguments)
    emit(stage.command("ask", *arguments).rstrip())


def _say(question: str, *arguments: str) -> None:
    say("", question, f"  $ lineage {' '.join(arguments)}", "")
    sys.stdout.flush()
