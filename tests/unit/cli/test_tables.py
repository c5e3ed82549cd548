"""What a tree of nodes says of each, beyond its name."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from graph_schema import names
from graph_schema.answers import ClosureNode, ClosureValue
from lineage_service.cli import tables


def shown(kind: str, name: str, properties: dict[str, Any]) -> str:
    node = ClosureNode(kind=kind, name=name, distance=0, properties=properties)
    printed = StringIO()
    value = ClosureValue(root=f"{kind}:{name}", nodes={f"{kind}:{name}": node}, edges=[])
    Console(width=160, file=printed).print(tables.closure(value, down=False))
    return printed.getvalue().strip()


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"outcome": "complete"}, "run r1"),
        ({"outcome": "complete", "failed_below": 1}, "run r1 (1 run below it failed)"),
        ({"outcome": "failed", "failed_below": 2}, "run r1 (outcome failed, 2 runs below it failed)"),
        ({"outcome": "complete", "job": names.job("airflow", "train daily")}, "run r1 of airflow/train daily"),
        ({"outcome": "complete", "metric:auc": "NaN", "metric:loss": "1e-7"}, "run r1 (auc nan, loss 1e-07)"),
    ],
)
def test_a_run_says_how_it_ended_what_failed_below_it_its_job_and_its_metrics(
    properties: dict[str, Any], said: str
) -> None:
    assert shown("run", "r1", properties) == said
