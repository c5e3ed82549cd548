"""Facts about validations: what was measured of a version of a model, against which thresholds, with which outcome.

The outcome is the word of whoever validated. It is not computed again here: a review has grounds that no metric shows,
and a measurement that meets its threshold may still be judged to prove nothing.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema.events.base import (
    NAME,
    Body,
    Closed,
    DecimalText,
    Digest,
    Event,
    Flag,
    LongText,
    ModelVersionRef,
    NamedDataset,
    Private,
    Text,
)

Outcome = Annotated[Literal["passed", "failed", "inconclusive"], NAME]
Comparison = Annotated[Literal[">=", ">", "<=", "<", "=="], NAME]


class Check(Closed):
    """One measurement: ``value`` was to be ``comparison`` ``threshold``; without a threshold it was only reported."""

    metric: Text
    value: DecimalText
    comparison: Comparison | None = None
    threshold: DecimalText | None = None
    passed: Flag | None = None

    def model_post_init(self, _context: object, /) -> None:
        """Refuse half a requirement: comparison, threshold and verdict belong together."""
        given = {self.comparison is None, self.threshold is None, self.passed is None}
        if len(given) > 1:
            raise ValueError("give all of 'comparison', 'threshold' and 'passed', or none of them")


class ValidatedOn(NamedDataset):
    """A version of a dataset that a validation was done on."""

    version: Text
    digest: Digest | None = None


class ValidationRecordedBody(ModelVersionRef, Body):
    """What a validation found. ``validation`` is its id: said again, a later fact replaces what the earlier said.

    ``digest`` is that of the artefact that was validated, ``run`` the run that did it.
    """

    validation: Text
    name: Text
    outcome: Outcome
    checks: Annotated[list[Check], Field(max_length=100)] = []
    data: Annotated[list[ValidatedOn], Field(max_length=50)] = []
    run: Text | None = None
    digest: Digest | None = None
    link: LongText | None = None
    ticket: Text | None = None
    comment: Private | None = None


class ValidationRecorded(Event):
    """A version of a model was validated."""

    family: ClassVar[str] = "validation.recorded"

    type: Annotated[Literal["validation.recorded"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ValidationRecordedBody
