"""The world of the demonstration: names, people, made-up applicants. The names are made up, the acts are done."""

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LAKE: Final = "s3://demo-lake"
APPLICANTS: Final = "features/applicants.csv"
RAW: Final = "raw/applications.csv"
HOLDOUT: Final = "holdout.csv"
MODEL: Final = "credit-risk"
REPOSITORY: Final = "https://git.demo.example/team/credit.git"

TRAINER: Final = "dana"
RELEASER: Final = "omar"
ONLOOKER: Final = "lena"
"""dana trains and registers, omar releases, lena may look and nothing else."""

COLUMNS: Final = ("income", "age", "debt", "paid_back")
Row = tuple[float, float, float, int]


@dataclass(frozen=True, slots=True)
class Month:
    """One version of the applicants' table, as the pipeline makes it each month."""

    version: str
    rows: int
    seed: int
    damaged: bool = False

    @property
    def file(self) -> str:
        """The name of the file that holds it here."""
        return f"applicants-{self.version}.csv"


MONTHS: Final = (Month("2026-09", 400, 7), Month("2026-10", 600, 7), Month("2026-11", 600, 9, damaged=True))
"""In the third a join slipped by one row: every label belongs to the applicant before. Nothing fails, nothing warns."""

_HOLDOUT_SEED: Final = 1
_HOLDOUT_ROWS: Final = 400


def write_holdout(folder: Path) -> None:
    """Write the table on which every version of the model is measured."""
    _write(folder / HOLDOUT, _applicants(_HOLDOUT_SEED, _HOLDOUT_ROWS))


def write_month(folder: Path, month: Month) -> Path:
    """Write one version of the table and return its file."""
    rows = list(_applicants(month.seed, month.rows))
    if month.damaged:
        rows = [(income, age, debt, rows[place - 1][3]) for place, (income, age, debt, _) in enumerate(rows)]
    path = folder / month.file
    _write(path, rows)
    return path


def _applicants(seed: int, count: int) -> Iterator[Row]:
    """Give made-up applicants, the same each time: who earns and is older pays back, who owes does not."""
    chance = random.Random(seed)  # noqa: S311  made-up data
    for _ in range(count):
        income, age, debt = chance.gauss(40, 12), chance.uniform(18, 80), chance.gauss(10, 4)
        paid_back = income + age / 4 - 1.5 * debt + chance.gauss(0, 8) > 37  # noqa: PLR2004  about half of them
        yield round(income, 2), round(age, 1), round(debt, 2), int(paid_back)


def _write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
