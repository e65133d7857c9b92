"""Changing the desk one person or group at a time. What comes of it is held to the same rules as a manifest's desk, and
stored in the same form, so that either can go on from what the other wrote.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, tenant_settings
from konstruct.desk.hours import DAYS
from konstruct.desk.people import DURATIONS
from konstruct.documents import Loc
from konstruct.errors import Conflict, Mistakes, NotFound
from konstruct.manifest.desk import Desk, Group, Person, problems
from konstruct.tables import Consult, Employee, EmployeeVersion, Handoff, Tenant
from konstruct.tenant_settings import checked, sentence

_MINUTE: Final = 60


async def load(session: AsyncSession) -> dict[str, Any]:
    """Of the session's tenant, in the manifest's form."""
    return written((await session.scalars(select(col(Tenant.desk)))).one())


def written(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, as somebody would write it in a manifest."""
    groups = {key: _group_written(group) for key, group in kept.get("groups", {}).items()}
    return {**kept, "people": dict(kept.get("people", {})), "groups": groups}


def _group_written(kept: Mapping[str, Any]) -> dict[str, Any]:
    terms = {name: f"{kept[f'{name}_seconds'] // _MINUTE} minutes" for name in DURATIONS if f"{name}_seconds" in kept}
    return {name: value for name, value in kept.items() if not name.endswith("_seconds")} | terms


async def put_person(
    session: AsyncSession, tenant_id: UUID, key: str | None, person: Mapping[str, Any], *, actor: str
) -> str:
    """Adds somebody, or changes who goes by ``key``; gives the key. Raises Mistakes and NotFound."""
    wanted = checked(Person, person)
    tenant, desk = await _locked(session, tenant_id)
    before = desk["people"].get(key) if key is not None else None
    if key is None:
        key = _new_key(wanted.name, desk)
    elif before is None:
        raise NotFound("This person is not at the desk any more.")
    desk["people"][key] = wanted.model_dump(exclude_none=True)
    await _store(session, tenant, desk, ("desk", "people", key))
    fields = [name for name in ("name", "slack", "email") if (before or {}).get(name) != desk["people"][key].get(name)]
    if fields:
        # Not what they changed into: the trail is kept for ever, and these are people.
        _record(session, tenant_id, actor, "desk.person_changed" if before else "desk.person_added", key, fields=fields)
    return key


async def remove_person(session: AsyncSession, tenant_id: UUID, key: str, *, actor: str) -> None:
    """Raises NotFound, and Conflict while something depends on them."""
    tenant, desk = await _locked(session, tenant_id)
    person = desk["people"].pop(key, None)
    if person is None:
        raise NotFound("This person is not at the desk any more.")
    name = person["name"]
    if (count := await _conversations_of(session, key)) > 0:
        what = "a conversation" if count == 1 else f"{count} conversations"
        raise Conflict(f"{name} has {what}: hand back or pass on what they have, then remove them.")
    if await _questions_to(session, key) > 0:
        raise Conflict(f"{name} was asked something and has not answered: wait for that, then remove them.")
    for group_key, group in desk["groups"].items():
        if group["people"] == [key]:
            raise Conflict(
                f"{name} is the only one in “{group_key}”: put somebody else in, or remove that group first."
            )
        group["people"] = [each for each in group["people"] if each != key]
    await _require_unnamed(session, key, name)
    await _store(session, tenant, desk)
    _record(session, tenant_id, actor, "desk.person_removed", key)


async def put_group(
    session: AsyncSession,
    tenant_id: UUID,
    key: str | None,
    group: Mapping[str, Any],
    *,
    name: str = "",
    is_default: bool = False,
    actor: str,
) -> str:
    """Adds a group by its ``name``, or changes the one that goes by ``key``; gives the key.

    ``group``: as in a manifest. Raises Mistakes and NotFound.
    """
    if "hours" in group and not any(group["hours"].get(day) for day in DAYS):
        raise Mistakes({"hours": "Enter times for at least one day, or choose that it is always open."})
    checked(Group, group, within=("hours",))
    tenant, desk = await _locked(session, tenant_id)
    if key is None:
        key = _new_key(name, desk)
    elif key not in desk["groups"]:
        raise NotFound("This group is not there any more.")
    desk["groups"][key] = dict(group)
    if is_default:
        desk["default"] = key
    elif len(desk["groups"]) > 1:
        # The one that was alone took what named nobody, and goes on doing so.
        desk.setdefault("default", next(iter(desk["groups"])))
    former = tenant.desk.get("groups", {}).get(key)
    default = tenant.desk.get("default")
    await _store(session, tenant, desk, ("desk", "groups", key))
    after = tenant.desk["groups"][key]
    if (former, default) != (after, tenant.desk.get("default")):
        action = "desk.group_changed" if former else "desk.group_added"
        is_default = tenant.desk.get("default") == key
        _record(session, tenant_id, actor, action, key, before=former or {}, after=after, is_default=is_default)
    return key


async def remove_group(session: AsyncSession, tenant_id: UUID, key: str, *, actor: str) -> None:
    """What waits for it is then the default group's. Raises NotFound, and Conflict while something depends on it."""
    tenant, desk = await _locked(session, tenant_id)
    if desk["groups"].pop(key, None) is None:
        raise NotFound("This group is not there any more.")
    await _require_unnamed(session, key, f"“{key}”")
    if len(desk["groups"]) < 2:
        desk.pop("default", None)
    elif desk.get("default") == key:
        raise Conflict(f"Handoffs that name nobody go to “{key}”: let another group have those first.")
    former = tenant.desk["groups"][key]
    await _store(session, tenant, desk)
    _record(session, tenant_id, actor, "desk.group_removed", key, before=former)


async def put_place(
    session: AsyncSession, tenant_id: UUID, connection: str | None, channel: str | None, *, actor: str
) -> None:
    """Where handoffs are shown: a channel of a Slack workspace, or nowhere. Raises Mistakes."""
    await tenant_settings.require_place(session, connection, channel)
    tenant, desk = await _locked(session, tenant_id)
    before = {name: desk.get(name) for name in ("connection", "channel")}
    after = {"connection": connection, "channel": channel}
    if before == after:
        return
    await _store(session, tenant, {**desk, **after})
    _record(session, tenant_id, actor, "desk.place_changed", "", before=before, after=after)


async def _locked(session: AsyncSession, tenant_id: UUID) -> tuple[Tenant, dict[str, Any]]:
    tenant = await tenant_settings.locked(session, tenant_id)
    return tenant, written(tenant.desk)


async def _store(session: AsyncSession, tenant: Tenant, desk: Mapping[str, Any], form: Loc = ()) -> None:
    """``form``: the part of the desk whose fields somebody sees; what is wrong elsewhere goes to the form itself."""
    whole = checked(Desk, {name: value for name, value in desk.items() if value})
    mistakes: dict[str, str] = {}
    # What published rules name is looked at by whoever removes it: an employee may name what was never there.
    for loc, message in problems(whole, {}):
        inner = loc[len(form) :] if form and loc[: len(form)] == form else ()
        name = f"hours.{inner[1]}" if inner[:1] == ("hours",) and len(inner) > 1 else str((*inner, "")[0])
        mistakes.setdefault(name, sentence(message))
    if mistakes:
        raise Mistakes(mistakes)
    tenant.desk = whole.content()
    await session.flush()


def _record(session: AsyncSession, tenant_id: UUID, actor: str, action: str, key: str, **detail: Any) -> None:
    audit.record(session, tenant_id=tenant_id, actor=actor, action=action, key=key, **detail)


def _new_key(name: str, desk: Mapping[str, Any]) -> str:
    """What rules and the trail call somebody or a group, which must never change."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-")
    if not re.match("[a-z]", key):
        raise Mistakes({"name": "Enter a name that begins with a letter from A to Z."})
    # Under “new”, the portal has the pages that begin one.
    taken = {"new", *desk["people"], *desk["groups"]}
    return next(each for each in (key, *(f"{key}-{number}" for number in range(2, 1_000))) if each not in taken)


async def _conversations_of(session: AsyncSession, key: str) -> int:
    theirs = select(func.count()).select_from(Handoff).where(col(Handoff.state) == "owned", col(Handoff.agent) == key)
    return await session.scalar(theirs) or 0


async def _questions_to(session: AsyncSession, key: str) -> int:
    asked = select(func.count()).select_from(Consult)
    return await session.scalar(asked.where(col(Consult.state) == "waiting", col(Consult.colleague) == key)) or 0


async def _require_unnamed(session: AsyncSession, key: str, what: str) -> None:
    """That no published employee hands over to it. Raises Conflict."""
    published = await session.execute(
        select(col(EmployeeVersion.name), col(EmployeeVersion.escalation))
        .join(Employee, col(Employee.id) == col(EmployeeVersion.employee_id))
        .where(col(EmployeeVersion.number) == col(Employee.published_version))
    )
    for name, rules in published:
        for rule in rules:
            actions = [action for action in rule.get("then", {}).values() if isinstance(action, dict)]
            if any(action.get("to") == key for action in actions):
                raise Conflict(f"{name} hands over to {what}: change {name}'s rules and publish them first.")
