"""Reports as files: what is shown, and the rows of the ledger that it is made of."""

from collections.abc import Iterator

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from konstruct.errors import BadInput
from konstruct.reports import exporting, outcomes, usage
from konstruct.reports.periods import Period
from konstruct.reports.sheets import MEDIA_TYPE
from konstruct.sharing import one_of_few
from portal import report_words
from portal.downloads import download
from portal.pages.reports.asking import Understood, understood
from portal.pages.reports.usage import Reader, Wanted
from portal.services import services

router = APIRouter(prefix="/t/{tenant}")


@router.get("/usage/shown.csv")
async def shown(request: Request, member: Reader, given: Wanted) -> Response:
    async with (
        one_of_few(member.tenant_id),
        services(request).database.tenant_session(member.tenant_id, snapshot=True) as session,
    ):
        found = _certain(await understood(session, given))
        report = await usage.report(session, found.period, found.known, found.narrowed)
    by = given.sums
    lines = exporting.of_usage(report, by, lambda key, name: report_words.name(by, key, name, found.known))
    return _file(lines, f"usage-by-{by}", found.period)


@router.get("/usage/ledger.csv")
async def ledger(request: Request, member: Reader, given: Wanted) -> Response:
    database = services(request).database
    async with database.tenant_session(member.tenant_id) as session:
        found = _certain(await understood(session, given))
    period = found.period
    span = period.start, period.end
    lines = exporting.of_ledger(database, member.tenant_id, found.known, span, period.zone, found.narrowed)
    return download(member.tenant_id, lines, _name("model-calls", period), MEDIA_TYPE)


@router.get("/outcomes/shown.csv")
async def outcomes_shown(request: Request, member: Reader, given: Wanted) -> Response:
    async with (
        one_of_few(member.tenant_id),
        services(request).database.tenant_session(member.tenant_id, snapshot=True) as session,
    ):
        found = _certain(await understood(session, given))
        report = await outcomes.read(session, found.period, found.narrowed)
    return _file(exporting.of_outcomes(report), "outcomes", found.period)


def _certain(found: Understood) -> Understood:
    """A file says nothing of what could not be understood. Raises BadInput."""
    if found.errors:
        raise BadInput(" ".join(found.errors.values()))
    return found


def _name(name: str, period: Period) -> str:
    return f"{name}-{period.first}-{period.last}.csv"


def _file(lines: Iterator[str], name: str, period: Period) -> Response:
    headers = {"content-disposition": f'attachment; filename="{_name(name, period)}"'}
    return StreamingResponse(lines, media_type=MEDIA_TYPE, headers=headers)
