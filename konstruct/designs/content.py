"""What an employee is, as plain data with the same fields in a draft, a version and a manifest. Pure."""

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from konstruct.errors import BadInput
from konstruct.tables import EmployeeVersion

Content = dict[str, Any]

BLANK: Final[Content] = {
    "name": "",
    "picture": None,
    "role": "",
    "language": "",
    "persona": "",
    "system_prompt": "",
    "greeting": "",
    "suggested_prompts": [],
    "models": [],
    "tools": [],
    "knowledge": [],
    "caps": {},
    "escalation": [],
    "hours": {},
    "away_reply": "",
}
PROSE: Final = ("persona", "system_prompt", "greeting", "away_reply")
"""Long texts, of which the trail keeps a fingerprint only: their words are in the versions."""
LARGEST: Final = 200_000
"""Bytes of a draft as JSON."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def blank() -> Content:
    return copy.deepcopy(BLANK)


def tidy(given: Mapping[str, Any]) -> Content:
    """With all fields and no others, each of its type; without what a database cannot hold.

    Raises BadInput for what no form of ours sends.
    """
    cleaned = blank()
    for name, empty in BLANK.items():
        value = _storable(given.get(name, empty))
        if name == "picture":
            value = _picture(value)
        elif type(value) is not type(empty):
            raise BadInput(f"The draft's {name} has another shape than it should; load the page again.")
        cleaned[name] = value
    if given.keys() - BLANK.keys():
        raise BadInput("The draft holds what an employee does not have; load the page again.")
    if len(json.dumps(cleaned)) > LARGEST:
        raise BadInput("The draft is too long to be kept; shorten its instructions or its rules.")
    return cleaned


def _picture(value: object) -> str | None:
    try:
        return str(UUID(str(value))) if value else None
    except ValueError:
        raise BadInput("The draft's picture is not one that was uploaded here; choose it again.") from None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value.replace("\r\n", "\n")).strip()
    if isinstance(value, Mapping):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value


def of_version(version: EmployeeVersion) -> Content:
    kept = {name: copy.deepcopy(getattr(version, name)) for name in BLANK}
    kept["picture"] = str(version.picture) if version.picture else None
    return kept


def as_version(content: Content, tenant_id: UUID, employee_id: UUID, number: int, **about: Any) -> EmployeeVersion:
    """As yet in no session. ``about``: who published it, and why."""
    picture = UUID(content["picture"]) if content["picture"] else None
    values = {**content, "picture": picture, "published_at": datetime.now(UTC), **about}
    return EmployeeVersion(tenant_id=tenant_id, employee_id=employee_id, number=number, **values)


def changed(before: Content, after: Content) -> list[str]:
    """The names of the fields that differ, in their order."""
    return [name for name in BLANK if before[name] != after[name]]


def for_trail(before: Content, after: Content) -> dict[str, Any]:
    """What differs, before and after, as the audit trail keeps it."""
    return {
        name: {"before": _told(name, before[name]), "after": _told(name, after[name])}
        for name in changed(before, after)
    }


def _told(name: str, value: Any) -> Any:
    if name not in PROSE:
        return json.dumps(value, ensure_ascii=False) if name in ("escalation", "hours", "tools", "caps") else value
    return f"{len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:16]}" if value else ""
