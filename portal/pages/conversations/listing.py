"""The list of conversations, narrowed down by what is in its address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, cast, get_args
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from konstruct import naming
from konstruct.connecting import overview as channels
from konstruct.connecting.overview import Seen, Served
from konstruct.identity import id_in
from konstruct.record import listing
from konstruct.record.events import Mark
from konstruct.record.listing import Filters, Owner, Rated
from konstruct.sharing import one_of_few
from portal import channel_words, record_words
from portal.access import Member, may
from portal.rendering import render
from portal.services import services
from portal.words import money

router = APIRouter(prefix="/t/{tenant}/conversations")

Reader = Annotated[Member, Depends(may("conversations.read"))]

OWNERS: Final[Sequence[tuple[str, str]]] = (
    ("", "Anybody"),
    ("employee", "The employee"),
    ("queue", "Waiting for a person"),
    ("agent", "A person"),
)
RATED: Final[Sequence[tuple[str, str]]] = (
    ("", "Any rating or none"),
    ("any", "Rated"),
    ("good", "Rated 4 or 5"),
    ("bad", "Rated 1 or 2"),
    ("none", "Asked, not answered"),
)


@dataclass
class Wanted:
    """What stands in the address. What is there and means nothing is as if it were not there."""

    employee: Annotated[str, Query()] = ""
    channel: Annotated[str, Query()] = ""
    owner: Annotated[str, Query()] = ""
    rating: Annotated[str, Query()] = ""
    contact: Annotated[str, Query()] = ""
    since: Annotated[str, Query()] = ""
    until: Annotated[str, Query()] = ""
    people: Annotated[str, Query()] = ""
    failed: Annotated[str, Query()] = ""

    def given(self) -> dict[str, str]:
        return {name: value for name, value in vars(self).items() if value}

    def filters(self, zone: str, employees: Sequence[Served]) -> Filters:
        employee = next((each.employee_id for each in employees if each.key == self.employee), None)
        return Filters(
            employee_id=employee,
            connection_id=id_in(self.channel),
            contact_id=id_in(self.contact),
            owner=cast(Owner, self.owner) if self.owner in get_args(Owner) else None,
            rated=cast(Rated, self.rating) if self.rating in get_args(Rated) else None,
            since=_midnight(self.since, zone),
            until=_midnight(self.until, zone, timedelta(days=1)),
            had_people=bool(self.people),
            has_failed=bool(self.failed),
        )


@router.get("")
async def list_conversations(
    request: Request,
    member: Reader,
    wanted: Annotated[Wanted, Depends()],
    before: str = "",
    after: str = "",
) -> Response:
    used = services(request)
    async with one_of_few(member.tenant_id), used.database.tenant_session(member.tenant_id) as session:
        employees = await channels.employees(session)
        every = await channels.every(session)
        found = await listing.page(
            session,
            used.vault,
            wanted.filters(member.time_zone, employees),
            before=_mark(before),
            after=_mark(after),
        )
        contact_id = id_in(wanted.contact)
        # Whose conversations these are, where they are one contact's alone.
        contact = await naming.name(session, used.vault, contact_id) if contact_id else None
    given = wanted.given()
    here = f"/t/{member.tenant_slug}/conversations"

    def address(**more: object) -> str:
        return f"{here}?{urlencode(given | {name: str(value) for name, value in more.items()})}"

    return render(
        request,
        "pages/conversations/list.html",
        rows=found.rows,
        newer=address(after=found.newer) if found.newer else None,
        older=address(before=found.older) if found.older else None,
        wanted=wanted,
        is_narrowed=bool(given),
        more=sum(bool(each) for each in (wanted.since, wanted.until, wanted.people, wanted.failed)),
        contact=contact,
        employees=[("", "All employees"), *((each.key, each.name) for each in employees)],
        channels=[("", "All channels"), *_choices(every)],
        has_channel=any(seen.kind != "console" for seen in every),
        owners=OWNERS,
        rated=RATED,
        words=record_words,
        channel_words=channel_words,
        money=money,
    )


def _choices(every: Sequence[Seen]) -> list[tuple[str, str]]:
    return [(str(seen.connection_id), channel_words.title(seen)) for seen in every]


def _mark(text: str) -> Mark | None:
    return Mark.read(text) if text else None


def _midnight(text: str, zone: str, later: timedelta = timedelta()) -> datetime | None:
    """When a day begins where it is looked at."""
    try:
        return datetime.combine(date.fromisoformat(text) + later, time(), ZoneInfo(zone))
    except (ValueError, OverflowError):
        return None
