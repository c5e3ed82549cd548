"""What people leave in the graph: pseudonyms, links between identities, rights over time."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.fold.model import sighting
from graph_schema.kinds import Edge, How


def person_key(pseudonym: str) -> str:
    """Return the node of a pseudonym: ``p_`` names a person, ``s_`` a service account."""
    return names.service_account(pseudonym) if pseudonym.startswith("s_") else names.person(pseudonym)


def set_person(item: Mapping[str, Any], changes: Changes) -> str:
    """Mention a person, with what is known of them sealed; return the key."""
    key = person_key(item["id"])
    changes.set(key, {name: item[name] for name in ("name", "email") if name in item})
    return key


def fold_person(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a person's name and address, both sealed."""
    set_person(record["body"]["person"], changes)


def fold_identity(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold that two identities are one person: an edge, never a merge."""
    body = record["body"]
    one, other = set_person(body["person"], changes), set_person(body["same_as"], changes)
    changes.edge(one, Edge.SAME_AS, other, How.DECLARED)


def fold_permission(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a right in a foreign system: one slot for each resource there."""
    body = record["body"]
    value = {"permission": body.get("permission"), **({"change": body["change"]} if "change" in body else {})}
    slot = f"permission:{body['system']} {body['resource']}"
    changes.point(set_person(body["person"], changes), slot, value | sighting(record))


def fold_role_granted(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a right that begins."""
    body = record["body"]
    changes.point(set_person(body["person"], changes), f"role:{body['role']}", {"granted": True})


def fold_role_revoked(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a right that ends."""
    body = record["body"]
    changes.point(set_person(body["person"], changes), f"role:{body['role']}", {"granted": False})


def _holder(body: Mapping[str, Any], changes: Changes) -> str:
    if "person" in body:
        return set_person(body["person"], changes)
    return changes.node(body["source"])


def fold_token_issued(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a credential with its bounds; only its digest is known."""
    body = record["body"]
    value = {name: body[name] for name in ("digest", "families", "assurance", "expires_at") if name in body}
    changes.point(_holder(body, changes), f"token:{body['token']}", value)


def fold_token_revoked(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the end of a credential."""
    body = record["body"]
    changes.point(_holder(body, changes), f"token:{body['token']}", {"revoked": True})
