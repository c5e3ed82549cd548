"""Answers as a person reads them on a terminal, at 80 columns as well as at 200.

Several facts share a cell instead of each having a column that a narrow terminal would cut: when it happened stands
beside when it was recorded, who did it beside why and who approved. Rule kept: every row, edge and gap is printed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from graph_schema import names
from graph_schema.answers import (
    DRIFTED,
    ClosureNode,
    ClosureValue,
    DeploymentRow,
    DriftRow,
    HistoryRow,
    LiveRow,
    Party,
)
from lineage_service.cli.screen import plain
from lineage_service.client import words

_SHORT_SHA: Final = 12
_METRICS: Final = 3
_INFERRED: Final = "inferred"
_VERDICTS: Final = {
    "same": "same",
    "other": "OTHER",
    "registry_has_none": "OTHER",
    "not_served": "not served",
    "shadow": "shadow",
}


def deployments(rows: Sequence[DeploymentRow], zone: str) -> RenderableType:
    """Return who deployed what, when, why, approved by whom."""
    if not rows:
        return Text("No deployment is recorded that fits.")
    table = _table("What", "Where", f"When ({zone})", "Who and why", "#")
    table.caption = "noted: when it was recorded here"
    table.caption_justify = "left"
    for row in rows:
        table.add_row(
            Text(plain(f"{row['model']}/{row['version']}")),
            Text("\n".join([_where(row), *_mode(row)])),
            Text("\n".join(_period(row, zone))),
            Text("\n".join(_who_and_why(row))),
            Text(str(row["seq"])),
        )
    return table


def _period(row: DeploymentRow, zone: str) -> list[str]:
    begun = _at(row["from"], zone)
    first = f"from  {begun}"
    if row["not_before"] is not None:
        first = f"after {_at(row['not_before'], zone)}\nseen  {begun}"
    until = "still so" if row["until"] is None else f"until {_at(row['until'], zone)}"
    return [first, until, f"noted {_at(row['recorded_at'], zone)}"]


def _who_and_why(row: DeploymentRow) -> list[str]:
    lines = _who(row["deployed_by"])
    lines += [plain(f"ticket {row['ticket']}")] if row["ticket"] else []
    lines += [plain(row["reason"])] if row["reason"] else []
    if row["approved_by"]:
        lines.append("approved by " + plain(", ".join(words.party(one) for one in row["approved_by"])))
    elif row["change"] is None:
        lines.append("no change request here")
    else:
        lines.append("approved by nobody")
    return lines + [plain(words.claim(one)) for one in row.get("claims", ())]


def _who(party: Party) -> list[str]:
    """Return who it was and how well that is known, a line each."""
    known = words.named(party)
    return [plain(known), plain(party.get("assurance", "unknown"))] if known else [words.unnamed(party)]


def live(rows: Sequence[LiveRow], zone: str) -> RenderableType:
    """Return what each stage, alias and target held."""
    if not rows:
        return Text("Nothing is recorded as live then.")
    table = _table("What", "Where", f"Since ({zone})", "Who", "#")
    for row in rows:
        share = [f"traffic {plain(row['traffic'])}"] if row["traffic"] else []
        table.add_row(
            Text(plain(f"{row['model']}/{row['version']}")),
            Text("\n".join([_where(row), *_mode(row), *share])),
            Text(_at(row["since"], zone)),
            Text("\n".join(_who(row["deployed_by"]))),
            Text(str(row["seq"])),
        )
    return table


def drift(rows: Sequence[DriftRow], zone: str, called: str) -> RenderableType:
    """Return what targets serve beside what the registry calls Production; ``called`` is the registry's word for it."""
    if not rows:
        return Text("Nothing is recorded as served then, and nothing as called Production.")
    table = _table("Verdict", f"Served ({zone})", f"Registry: {plain(called)}")
    for row in rows:
        model, served, registry = plain(row["model"]), ["nowhere"], ["no version"]
        if row["version"] is not None:
            share = [f"traffic {plain(row['traffic'])}"] if row["traffic"] else []
            held = [f"{model}/{plain(row['version'])} on {plain(row['target'])}", *_mode(row), *share]
            served = [*held, *_since(row["since"], row["deployed_by"], row["seq"], zone)]
        if row["registry_version"] is not None:
            others = [f"and {plain(', '.join(row['registry_others']))}"] if row["registry_others"] else []
            named = [f"{model}/{plain(row['registry_version'])}", *others]
            registry = [*named, *_since(row["registry_since"], row["registry_by"], row["registry_seq"], zone)]
        verdict = Text(_VERDICTS.get(row["verdict"], row["verdict"]), "bold" if row["verdict"] in DRIFTED else "")
        table.add_row(verdict, Text("\n".join(served)), Text("\n".join(registry)))
    return table


def _since(since: str | None, by: Party | None, seq: int | None, zone: str) -> list[str]:
    """Return since when something holds, by whom, and by which record."""
    known = words.named(by) if by is not None else None
    return [f"since {_at(since or '', zone)}", f"by {plain(known) if known else words.unnamed(by or {})} #{seq}"]


def history(rows: Sequence[HistoryRow], zone: str) -> RenderableType:
    """Return what happened to a node, oldest first."""
    if not rows:
        return Text("Nothing is recorded about it.")
    table = _table("What", f"When ({zone})", "Who and why", "#")
    for row in rows:
        why = [plain(word) for word in (row["ticket"], row["reason"]) if word]
        table.add_row(
            Text(plain(row["what"])),
            Text(f"happened {_at(row['occurred_at'], zone)}\nrecorded {_at(row['recorded_at'], zone)}"),
            Text("\n".join([*_who(row["actor"]), *why])),
            Text(str(row["seq"])),
        )
    return table


def closure(value: ClosureValue, *, down: bool) -> RenderableType:
    """Return everything above or below a node as a tree; what is reached twice is spelled out once."""
    return _Grower(value, down=down).grow()


class _Grower:
    """Grows one tree. Not recursive: a closure may be deeper than the interpreter's stack."""

    def __init__(self, value: ClosureValue, *, down: bool) -> None:
        self._value = value
        self._down = down
        self._edges: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for edge in value["edges"]:
            # Whatever the direction of the question, versions hang below the thing they are versions of.
            if down or edge["type"] == "VERSION_OF":
                self._edges.setdefault(edge["to"], []).append((edge["from"], edge))
            else:
                self._edges.setdefault(edge["from"], []).append((edge["to"], edge))

    def grow(self) -> Tree:
        root = self._value["root"]
        tree = Tree(Text(_node(root, self._value["nodes"].get(root))), highlight=False)
        spelled = {root}
        pending = [(tree, edge) for edge in reversed(self._edges.get(root, ()))]
        while pending:
            branch, (key, edge) = pending.pop()
            again = key in spelled and key in self._edges
            grown = branch.add(Text(self._label(edge, key) + (" (see above)" if again else "")))
            if not again:
                spelled.add(key)
                pending += [(grown, one) for one in reversed(self._edges.get(key, ()))]
        self._add_apart(tree, spelled)
        return tree

    def _add_apart(self, tree: Tree, spelled: set[str]) -> None:
        """Add what belongs to the answer and hangs on no edge of it, such as another name of the root."""
        for key, node in self._value["nodes"].items():
            if key not in spelled:
                tree.add(Text(f"also: {_node(key, node)}"))

    def _label(self, edge: Mapping[str, Any], key: str) -> str:
        how = "" if edge["how"] == "exact" else f" [{plain(edge['how'])}]"
        cited = "" if edge["seq"] is None else f" #{edge['seq']}"
        verb = words.edge(edge["type"], edge["roles"], down=self._down or edge["type"] == "VERSION_OF")
        return f"{verb} {_node(key, self._value['nodes'].get(key))}{how}{cited}"


def _node(key: str, node: ClosureNode | None) -> str:
    if node is None:
        return plain(key)
    name = node["name"][:_SHORT_SHA] if node["kind"] == "commit" else node["name"]
    job = f" of {'/'.join(names.parse(of).parts)}" if (of := node["properties"].get("job")) else ""
    return plain(f"{node['kind'].replace('_', ' ')} {name}{job}") + _remark(node)


def _remark(node: ClosureNode) -> str:
    """Return what one must know of a node not to read it wrongly."""
    properties = node["properties"]
    said = []
    if node["kind"] == "run" and properties.get("outcome") != "complete":
        said.append(f"outcome {properties.get('outcome', 'unknown')}")
    if below := properties.get("failed_below"):
        said.append(f"{below} {'run' if below == 1 else 'runs'} below it failed")
    said += _measured(properties)
    if properties.get("attempted"):
        said.append("only attempted: its run failed")
    if properties.get("identity") in {"hint", "unknown"}:
        said.append(f"identity: {properties['identity']}")
    if node["kind"] == "runtime":
        said += [f"{part} {properties[part]}" for part in ("python", "os", "gpu") if part in properties]
    if (properties.get("commit") or {}).get("dirty"):
        said.append("code differed from its commit")
    said += _files(properties)
    return f" ({plain(', '.join(said))})" if said else ""


def _measured(properties: Mapping[str, Any]) -> list[str]:
    """Return the first metrics of a run by name, and how many more there are."""
    metrics = sorted(name for name in properties if name.startswith("metric:"))
    said = [f"{name.partition(':')[2]} {float(properties[name]):.4g}" for name in metrics[:_METRICS]]
    more = len(metrics) - _METRICS
    return said + ([f"{more} more {'metric' if more == 1 else 'metrics'}"] if more > 0 else [])


def _files(properties: Mapping[str, Any]) -> list[str]:
    """Return how many files something holds, how many were read, and that some copy rows of data."""
    files = [value for name, value in properties.items() if name.startswith("artifact:")]
    if not files:
        return []
    samples = sum(bool(one.get("sample")) for one in files)
    unread = sum("digest" not in one for one in files)
    said = [f"{len(files)} {'file' if len(files) == 1 else 'files'}" + (f", {unread} not read" if unread else "")]
    return said + ([f"samples of data in {samples}"] if samples else [])


def _where(row: Mapping[str, Any]) -> str:
    for word in ("stage", "alias", "target"):
        if row[word] is not None:
            return plain(row[word]) + f"\n({word})"
    return "nowhere"


def _mode(row: Mapping[str, Any]) -> list[str]:
    """Return how a target runs a version, where that is not the usual way."""
    return [] if row["mode"] in {None, "serving"} else [f"as a {plain(row['mode'])}"]


def _at(text: str, zone: str) -> str:
    """Return an instant to the second, without its zone, which the heading names."""
    return words.when(text, zone).rpartition(" ")[0]


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_lines=False, expand=False)
    for heading in headings:
        fixed = heading == "#" or heading.startswith(("When", "Since"))
        table.add_column(heading, no_wrap=fixed, overflow="fold", justify="right" if heading == "#" else "left")
    return table


def listing(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> RenderableType:
    """Return a simple list; ``empty`` is said when there is nothing."""
    if not rows:
        return Text(empty)
    table = _table(*headings)
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    return table
