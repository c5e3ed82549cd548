"""What MLflow's registry holds of one model and version, by one statement: asked before every change.

MLflow's own way to ask loads whole objects with all their tags and aliases, and would cost as much as the change. Where
the registry is MLflow's SQL store its tables are asked for the columns that are needed; any other store, and any table
that is not as expected, is asked in MLflow's way (``state``). Nothing is kept between requests: another worker, or a
command beside the server, may have changed it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from collectors.mlflow.act import Version

_PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_DELETED: Final = "Deleted_Internal"
_DIGITS: Final = 10
"""Numbers of fewer digits fit into the column."""


@dataclass(frozen=True, slots=True)
class Held:
    """A model (or prompt) that is there, and when the version that was asked for was made; None if that is not."""

    prompt: bool
    created_ms: int | None


def is_sql(store: Any) -> bool:
    """Tell whether a registry store is MLflow's SQL store, and its tables are those that are known here."""
    return getattr(store, "engine", None) is not None and _columns_are_known(store)


def held(store: Any, name: str, version: str | None) -> Held | None:
    """Return what is held of a model and version; None if there is no such model."""
    numbered = version is not None and version.isdecimal() and len(version) < _DIGITS
    given = {"name": name, "number": int(str(version)) if numbered else -1, "workspace": _workspace(store)}
    with store.engine.connect() as connection:
        row = connection.execute(_question(), given).first()
    return None if row is None else Held(str(row[0]).lower() == "true", row[1])


@functools.cache
def _question() -> Any:
    """Return the statement, made once: a model by its name, with its tag of prompts and one version by its number."""
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlRegisteredModel, SqlRegisteredModelTag
    from sqlalchemy import and_, bindparam, select

    model, tag, made = SqlRegisteredModel.__table__, SqlRegisteredModelTag.__table__, SqlModelVersion.__table__
    tagged = and_(tag.c.name == model.c.name, tag.c.key == _PROMPT_TAG, *_same_workspace(tag, model))
    numbered = and_(made.c.name == model.c.name, made.c.version == bindparam("number"), *_same_workspace(made, model))
    tables = model.outerjoin(tag, tagged).outerjoin(made, and_(numbered, made.c.current_stage != _DELETED))
    wanted = select(tag.c.value, made.c.creation_time).select_from(tables)
    asked = [model.c.workspace == bindparam("workspace")] if "workspace" in model.c else []
    return wanted.where(model.c.name == bindparam("name"), *asked)


def versions(store: Any, name: str) -> Iterator[Version]:
    """Give all versions of a model, in order of their making."""
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
    from sqlalchemy import select

    made = SqlModelVersion.__table__
    wanted = (
        select(made.c.version, made.c.creation_time, made.c.current_stage)
        .where(made.c.name == name, made.c.current_stage != _DELETED, *_of_workspace(store, made))
        .order_by(made.c.creation_time)
    )
    with store.engine.connect() as connection:
        for number, created, stage in connection.execute(wanted):
            yield Version(str(number), int(created), str(stage))


def _columns_are_known(store: Any) -> bool:
    known = getattr(store, "_lineage_knows_columns", None)
    if known is None:
        from mlflow.store.model_registry.dbmodels import models

        needed = {
            models.SqlRegisteredModel: {"name"},
            models.SqlRegisteredModelTag: {"name", "key", "value"},
            models.SqlModelVersion: {"name", "version", "creation_time", "current_stage"},
        }
        known = all(columns <= set(model.__table__.c.keys()) for model, columns in needed.items())
        store._lineage_knows_columns = known  # noqa: SLF001  asked once a process
    return bool(known)


def _same_workspace(one: Any, other: Any) -> list[Any]:
    return [one.c.workspace == other.c.workspace] if "workspace" in one.c else []


def _of_workspace(store: Any, table: Any) -> list[Any]:
    """Return the condition that keeps a question inside the request's workspace, where there are any."""
    return [table.c.workspace == _workspace(store)] if "workspace" in table.c else []


def _workspace(store: Any) -> str | None:
    ask = getattr(store, "_get_active_workspace", None)
    return str(ask()) if ask is not None else None
