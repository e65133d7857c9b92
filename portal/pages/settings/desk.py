"""The desk: where handoffs are shown, the people who take conversations over, and the groups that are asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Depends, Form, Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct import tenant_settings
from konstruct.accounts import team
from konstruct.desk import editing, hours, people, texts
from konstruct.desk.people import DURATIONS, Group
from konstruct.errors import Conflict, Mistakes
from konstruct.tenant_settings import in_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/settings/desk")

Reader = Annotated[Member, Depends(may("settings.read"))]
Editor = Annotated[Member, Depends(may("settings.edit"))]

DAYS: Final = (
    *(("mon", "Monday"), ("tue", "Tuesday"), ("wed", "Wednesday"), ("thu", "Thursday"), ("fri", "Friday")),
    *(("sat", "Saturday"), ("sun", "Sunday")),
)
TERMS: Final = {
    "ring_for": ("One person is asked for", "In turn only: then the next one is."),
    "remind_every": ("Everybody is reminded every", ""),
    "email_after": ("Mails go out after", "To those who are asked, where they have an address."),
    "tell_contact_every": ("The contact is told every", "That people are asked; five times at most."),
    "give_up_after": ("Given up after", "All of these count open hours alone."),
}


@dataclass(frozen=True)
class ShownGroup:
    group: Group
    is_open: bool
    told: str
    """When it opens or closes next."""
    is_default: bool


@router.get("")
async def show(request: Request, member: Reader) -> Response:
    return await _page(request, member)


@router.post("/place")
async def place(
    request: Request,
    member: Editor,
    connection: Annotated[str, Form()] = "",
    channel: Annotated[str, Form()] = "",
) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await editing.put_place(
                session, member.tenant_id, connection or None, channel.strip() or None, actor=member.actor
            )
    except Mistakes as error:
        return await _page(request, member, {"connection": connection, "channel": channel}, error.fields)
    return _back(request, member, "Saved.")


@router.get("/people/new")
async def new_person(request: Request, member: Editor, of_team: str = "") -> Response:
    """``of_team``: the address of a member of the team, whose name and address need not be typed again."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        found = next((each for each in await team.members(session) if each.email == of_team), None)
    typed = {"name": found.name, "email": found.email} if found else {}
    return _person_form(request, None, typed)


@router.get("/people/{key}")
async def person(request: Request, member: Editor, key: str) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        kept = (await editing.load(session))["people"].get(key)
    if kept is None:
        raise HTTPException(404)
    return _person_form(request, key, kept)


@router.post("/people/{key}")
async def put_person(
    request: Request,
    member: Editor,
    key: str,
    name: Annotated[str, Form()] = "",
    slack: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
) -> Response:
    known = None if key == "new" else key
    typed = {"name": name, "slack": slack, "email": email}
    wanted = {field: text.strip() or None for field, text in typed.items()} | {"name": name}
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await editing.put_person(session, member.tenant_id, known, wanted, actor=member.actor)
    except Mistakes as error:
        return _person_form(request, known, typed, error.fields)
    return _back(request, member, f"{name.strip()} is at the desk.")


@router.post("/people/{key}/remove")
async def remove_person(request: Request, member: Editor, key: str) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await editing.remove_person(session, member.tenant_id, key, actor=member.actor)
    except Conflict as error:
        return _back(request, member, str(error), "error")
    return _back(request, member, "They are not at the desk any more.")


@router.get("/groups/{key}")
async def group(request: Request, member: Editor, key: str) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        desk = await editing.load(session)
    if key != "new" and key not in desk["groups"]:
        raise HTTPException(404)
    kept = desk["groups"].get(key, {})
    is_default = desk.get("default") == key or not (set(desk["groups"]) - {key})
    return await _group_form(request, member, None if key == "new" else key, _typed(kept, is_default=is_default))


@router.post("/groups/{key}")
async def put_group(request: Request, member: Editor, key: str) -> Response:
    form = await request.form()
    known = None if key == "new" else key
    typed = _sent(form)
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            made = await editing.put_group(
                session,
                member.tenant_id,
                known,
                _wanted(typed),
                name=typed["name"],
                is_default=typed["is_default"],
                actor=member.actor,
            )
    except Mistakes as error:
        return await _group_form(request, member, known, typed, error.fields)
    return _back(request, member, f"“{made}” is saved.")


@router.post("/groups/{key}/remove")
async def remove_group(request: Request, member: Editor, key: str) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await editing.remove_group(session, member.tenant_id, key, actor=member.actor)
    except Conflict as error:
        return _back(request, member, str(error), "error")
    return _back(request, member, f"“{key}” was removed. What waits for it goes to everybody who is left to be asked.")


def _back(request: Request, member: Member, told: str, kind: Any = "success") -> Response:
    return redirect(request, f"/t/{member.tenant_slug}/settings/desk", toast=Toast(told, kind))


async def _page(
    request: Request,
    member: Member,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        desk = await people.settings(session)
        workspaces = await tenant_settings.slack_connections(session)
        members = await team.members(session)
    at_desk = {each.email for each in desk.people}
    now = datetime.now(UTC)
    return render(
        request,
        "pages/settings/desk.html",
        422 if errors else 200,
        desk=desk,
        groups=[shown(each, now, is_default=each.key == desk.default.key) for each in desk.groups],
        place=typed or {"connection": desk.connection_key or "", "channel": desk.channel or ""},
        workspaces=workspaces,
        workspace_options=[("", "None")] + [(key, key) for key in workspaces],
        addable=[each for each in members if each.role != "viewer" and each.email not in at_desk],
        errors=errors or {},
    )


def shown(group: Group, now: datetime, *, is_default: bool) -> ShownGroup:
    """A group as it is at this moment, in the words of its own clock."""
    if group.hours is None:
        return ShownGroup(group, True, "Always open", is_default)
    is_open = hours.is_open(group.hours, now)
    at = hours.closes_next(group.hours, now) if is_open else hours.opens_next(group.hours, now)
    if at is None:
        return ShownGroup(group, is_open, "Does not open again" if not is_open else "Open now", is_default)
    local, today = at.astimezone(ZoneInfo(group.time_zone)), now.astimezone(ZoneInfo(group.time_zone))
    days = (local.date() - today.date()).days
    day = "" if days == 0 else f"{local:%a} " if days < 7 else f"{local:%a %-d %b} "
    told = f"Open now, until {day}{local:%H:%M}" if is_open else f"Opens {day}{local:%H:%M}"
    return ShownGroup(group, is_open, told, is_default)


def _person_form(
    request: Request, key: str | None, typed: Mapping[str, Any], errors: Mapping[str, str] | None = None
) -> Response:
    return render(
        request,
        "pages/settings/desk_person.html",
        422 if errors else 200,
        key=key,
        typed={name: typed.get(name) or "" for name in ("name", "slack", "email")},
        errors=errors or {},
    )


async def _group_form(
    request: Request,
    member: Member,
    key: str | None,
    typed: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        desk = await people.settings(session)
        zone = (await tenant_settings.read(session)).time_zone
    usual = Group("usual")
    back = datetime(2026, 11, 30, 8, tzinfo=UTC)
    return render(
        request,
        "pages/settings/desk_group.html",
        422 if errors else 200,
        key=key,
        typed=typed,
        desk=desk,
        days=DAYS,
        zone=zone,
        zones=sorted(available_timezones()),
        terms=[(name, *TERMS[name], in_words(getattr(usual, name))) for name in DURATIONS_IN_ORDER],
        said=[
            ("When somebody is asked", texts.told("asked")),
            ("When it is closed", texts.told("closed", until=back, time_zone=zone)),
            ("While they wait", texts.told("still_waiting")),
            ("When nobody came", texts.told("apologise")),
        ],
        errors={_FIELDS.get(name, name): told for name, told in (errors or {}).items()},
    )


_FIELDS: Final = {"hours": "open", "hours.time_zone": "time_zone"}
"""What fields of the form are called in what a manifest says of them."""
DURATIONS_IN_ORDER: Final = tuple(TERMS)
assert set(DURATIONS_IN_ORDER) == set(DURATIONS)  # noqa: S101  # A new one needs words here.


def _typed(kept: Mapping[str, Any], *, is_default: bool) -> dict[str, Any]:
    """What stands in a group's form before somebody types."""
    open_hours = kept.get("hours", {})
    return {
        "name": "",
        "people": list(kept.get("people", [])),
        "ring": kept.get("ring", "all_at_once"),
        "then": kept.get("then", "apologise"),
        "open": "hours" if "hours" in kept else "always",
        "time_zone": open_hours.get("time_zone", ""),
        "days": {day: open_hours.get(day, "") for day, _ in DAYS},
        "closed": "\n".join(open_hours.get("closed", [])),
        "terms": {name: kept.get(name, "") for name in DURATIONS},
        "is_default": is_default,
    }


def _sent(form: FormData) -> dict[str, Any]:
    return {
        "name": str(form.get("name", "")),
        "people": [str(each) for each in form.getlist("people")],
        "ring": str(form.get("ring", "all_at_once")),
        "then": str(form.get("then", "apologise")),
        "open": str(form.get("open", "always")),
        "time_zone": str(form.get("time_zone", "")).strip(),
        "days": {day: str(form.get(f"hours.{day}", "")).strip() for day, _ in DAYS},
        "closed": str(form.get("hours.closed", "")),
        "terms": {name: str(form.get(name, "")).strip() for name in DURATIONS},
        "is_default": form.get("is_default") == "on",
    }


def _wanted(typed: Mapping[str, Any]) -> dict[str, Any]:
    """As a manifest would have it."""
    group: dict[str, Any] = {"people": typed["people"], "ring": typed["ring"], "then": typed["then"]}
    group |= {name: text for name, text in typed["terms"].items() if text}
    if typed["open"] == "hours":
        days = {day: text for day, text in typed["days"].items() if text}
        closed = typed["closed"].replace(",", " ").split()
        group["hours"] = {**days, **({"closed": closed} if closed else {})}
        if typed["time_zone"]:
            group["hours"]["time_zone"] = typed["time_zone"]
    return group
