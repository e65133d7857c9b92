"""Events of the trail as people read them: who, what, where, and what was before and after."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.accounts import team
from konstruct.desk import people

_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "employee": ("The employee", "bot"),
    "contact": ("The contact", "contact"),
    "operator": ("Operator, by command", "server"),
    "channel": ("The channel", "plug"),
    "slack": ("Slack", "hash"),
    "slack-install": ("Slack, as the app was added", "hash"),
    "whatsapp": ("WhatsApp", "message-circle"),
    "stripe": ("Stripe", "receipt"),
    "konstruct up": ("Konstruct, at its start", "server"),
    "runtime": ("Konstruct", "server"),
    "sweep": ("Konstruct, picking up", "server"),
    "limiter": ("Konstruct, by the limits", "server"),
    "memory": ("Konstruct, for memory", "bookmark"),
    "knowledge": ("Konstruct, for knowledge", "book-open"),
    "retention": ("Konstruct, by retention", "hourglass"),
    "erasure": ("Konstruct, for an erasure", "server"),
    "deletion": ("Konstruct, for the deletion", "server"),
}
_LABELS: Final[Mapping[str, str]] = {
    "api_key": "API key",
    "call_id": "Tool call",
    "key_id": "Key",
    "subject_id": "Contact",
    "user_id": "Member",
    "sha256": "SHA-256",
}
LONGEST_VALUE: Final = 2_000


@dataclass(frozen=True)
class Who:
    name: str
    icon: str


@dataclass(frozen=True)
class Names:
    """Of whoever may stand in the trail, by how it names them."""

    known: Mapping[str, str]

    def who(self, actor: str) -> Who:
        if actor in self.known:
            return Who(self.known[actor], "user")
        kind, _, rest = actor.partition(":")
        if kind == "api" and rest:
            return Who(f"API key {rest}", "key-round")
        if kind == "user":
            return Who("Somebody who left the team", "user")
        if actor in _KINDS:
            return Who(*_KINDS[actor])
        return Who(actor, "user")


async def names(session: AsyncSession) -> Names:
    """Members of the team, and people of the desk."""
    desk = await people.settings(session)
    known = {person.key: person.name for person in desk.people}
    known |= {people.member_key(each.user_id): each.name or each.email for each in await team.members(session)}
    return Names(known)


@dataclass(frozen=True)
class Change:
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Told:
    """An event's detail, taken apart."""

    changes: tuple[Change, ...]
    facts: tuple[tuple[str, str], ...]


def told(detail: Mapping[str, Any]) -> Told:
    """What was before and after stands side by side, whichever way the event has it."""
    changes, rest = [], dict(detail)
    if isinstance(found := rest.get("changes"), dict) and all(_is_change(each) for each in found.values()):
        del rest["changes"]
        changes += [Change(label(name), value(each["before"]), value(each["after"])) for name, each in found.items()]
    if "before" in rest or "after" in rest:
        before, after = rest.pop("before", None), rest.pop("after", None)
        if isinstance(before or {}, dict) and isinstance(after or {}, dict):
            before, after = before or {}, after or {}
            names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
            changes += [Change(label(name), value(before.get(name)), value(after.get(name))) for name in names]
        else:
            changes.append(Change("", value(before), value(after)))
    return Told(tuple(changes), tuple((label(name), value(each)) for name, each in rest.items()))


def _is_change(found: object) -> bool:
    return isinstance(found, dict) and {"before", "after"} <= set(found)


def label(name: str) -> str:
    bare = name.removesuffix("_id") if name not in _LABELS else name
    return _LABELS.get(name) or bare.replace("_", " ").strip().capitalize()


def value(found: Any) -> str:
    """As text, whatever it is; nothing is a dash."""
    if isinstance(found, str) and found[:1] in "[{":
        found = _parsed(found)
    if found is None or found in ("", [], {}):
        return "–"
    if isinstance(found, bool):
        return "Yes" if found else "No"
    if isinstance(found, list) and all(isinstance(each, str | int) for each in found):
        text = ", ".join(map(str, found))
    elif isinstance(found, list | dict):
        text = json.dumps(found, ensure_ascii=False, indent=2)
    else:
        text = str(found)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"


def _parsed(text: str) -> Any:
    """Some fields are kept as the JSON that they were saved as."""
    try:
        return json.loads(text) if text else text
    except ValueError:
        return text


def chain_name(chain_id: UUID, tenant_id: UUID) -> str:
    return "The business's own chain" if chain_id == tenant_id else "The conversation's chain"
