"""Events of the trail, the newest first, narrowed by filters in the address; and the same as a file with its proof."""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import audit, tenant_settings
from konstruct.audit import checks, exporting, finding
from konstruct.billing import enforcing
from konstruct.designs import listing as designs
from konstruct.errors import Mistakes
from konstruct.sharing import one_of_few
from portal import audit_actions, audit_words
from portal.access import Member, may
from portal.downloads import download
from portal.pages.audit.filtering import Given, Read, read
from portal.rendering import render
from portal.services import Services, services

router = APIRouter(prefix="/t/{tenant}/audit")

AT_ONCE: Final = 50
GROUPS: Final = (("", "Anything"), *((prefix, name) for prefix, (name, _) in audit_actions.GROUPS.items()))


@router.get("")
async def show(
    request: Request,
    member: Annotated[Member, Depends(may("audit.read"))],
    given: Annotated[Given, Depends()],
    before: UUID | None = None,
    after: UUID | None = None,
) -> Response:
    database = services(request).database
    async with one_of_few(member.tenant_id), database.tenant_session(member.tenant_id) as session:
        names = await audit_words.names(session)
        wanted = await _read(session, given)
        page = finding.Page([], None, None)
        if not wanted.mistakes:
            page = await finding.page(session, wanted.filters, AT_ONCE, before=before, after=after)
        actors = sorted(await finding.actors(session), key=lambda actor: names.who(actor).name.casefold())
        employees = await designs.employees(session)
        checked = await checks.listing(session)
    base = f"/t/{member.tenant_slug}/audit"
    return render(
        request,
        "pages/audit/list.html",
        422 if wanted.mistakes else 200,
        events=page.events,
        pages=(
            f"{base}?{given.query(after=page.newer)}" if page.newer else None,
            f"{base}?{given.query(before=page.older)}" if page.older else None,
        ),
        given=given.said,
        errors=wanted.mistakes,
        names=names,
        actions=audit_actions,
        actor_options=[("", "Anybody"), *((each, names.who(each).name) for each in actors)],
        group_options=GROUPS,
        employee_options=[("", "Any employee"), *((each.key, each.name) for each in employees)],
        latest_check=next((each for each in checked if each.chain_id is None), None),
    )


@router.post("/export")
async def export(request: Request, member: Annotated[Member, Depends(may("audit.export"))]) -> Response:
    """A POST, though it only reads: that it was handed out is noted."""
    of = services(request)
    form = await request.form()
    given = Given(**{name: str(form.get(name, "")) for name in Given.__dataclass_fields__})
    async with of.database.tenant_session(member.tenant_id) as session:
        await enforcing.require_feature(session, "audit_export", adds=False)
        wanted = await _read(session, given)
        if wanted.mistakes:
            raise Mistakes(wanted.mistakes)
    answer = download(
        member.tenant_id, _lines(of, member, wanted), f"{member.tenant_slug}-audit.ndjson", "application/x-ndjson"
    )
    async with of.database.tenant_session(member.tenant_id) as session:
        audit.record(
            session,
            tenant_id=member.tenant_id,
            actor=member.actor,
            action="audit.exported",
            filters=wanted.filters.given(),
        )
    return answer


async def _lines(of: Services, member: Member, wanted: Read) -> AsyncIterator[str]:
    async with of.database.tenant_session(member.tenant_id, snapshot=True) as session:
        async for line in exporting.export(session, member.tenant_id, of.signatures, wanted.filters):
            yield f"{line}\n"


async def _read(session: AsyncSession, given: Given) -> Read:
    time_zone = (await tenant_settings.read(session)).time_zone
    employees = await designs.employees(session)
    return read(given, time_zone, [each.key for each in employees])
