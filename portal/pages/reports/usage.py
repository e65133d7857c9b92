"""What models cost: the sums, by day and by what they were for, and the conversations behind them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from konstruct import naming
from konstruct.budgets import alerts
from konstruct.budgets import terms as budgets
from konstruct.budgets.terms import Month
from konstruct.reports import ledger, usage
from konstruct.reports.ledger import Place, Spent
from konstruct.reports.usage import BYS, Report, Row
from konstruct.sharing import one_of_few
from konstruct.tables.base import utc_now
from portal import report_words
from portal.access import Member, may
from portal.pages.reports.asking import Asked, Understood, asked, understood
from portal.pages.reports.charts import chart, stacked
from portal.rendering import render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/usage")

Reader = Annotated[Member, Depends(may("reports.read"))]
Wanted = Annotated[Asked, Depends(asked)]

AT_ONCE: Final = 50
DEAREST: Final = 5


@router.get("")
async def show(request: Request, member: Reader, given: Wanted) -> Response:
    async with (
        one_of_few(member.tenant_id),
        services(request).database.tenant_session(member.tenant_id, snapshot=True) as session,
    ):
        found = await understood(session, given)
        report = await usage.report(session, found.period, found.known, found.narrowed)
        month = await budgets.month(session, utc_now())
        dearest = await ledger.costliest(session, found.period.start, found.period.end, found.narrowed, limit=DEAREST)
        names = await naming.names(session, services(request).vault, {each.contact_id for each in dearest})
    await _seen(request, member)
    by = given.sums
    rows = report.rows[by]

    def named(row: Row) -> str:
        return report_words.name(by, row.key, row.name, found.known)

    series = stacked(rows, lambda row: [each.cost for each in row.bars], named, lambda row: row.key)
    return render(
        request,
        "pages/reports/usage.html",
        422 if found.errors else 200,
        asked=given,
        found=found,
        report=report,
        by=by,
        bys=BYS,
        named=named,
        series=series,
        chart=chart(
            *(found.period, series),
            unit="usd",
            line=_line(found, report, month),
            href=f"/t/{member.tenant_slug}/usage/conversations",
        )
        | {"by": by if by in ("employee", "model", "channel") else "", "query": given.query(by="")},
        cards=_cards(report),
        month=month,
        dearest=dearest,
        names=names,
        errors=found.errors,
        words=report_words,
    )


async def _seen(request: Request, member: Member) -> None:
    """What this page shows needs no badge any more."""
    badges = getattr(request.state, "badges", {})
    if badges.get("usage"):
        badges["usage"] = 0
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await alerts.see(session, "budget", member.user_id)


@router.get("/conversations")
async def conversations(
    request: Request,
    member: Reader,
    given: Wanted,
    cost: Annotated[Decimal | None, Query(ge=0, allow_inf_nan=False, max_digits=40, decimal_places=10)] = None,
    before: Annotated[UUID | None, Query()] = None,
) -> Response:
    """``cost`` and ``before`` say where the page before ended."""
    after = Place(cost, before) if cost is not None and before is not None else None
    async with (
        one_of_few(member.tenant_id),
        services(request).database.tenant_session(member.tenant_id, snapshot=True) as session,
    ):
        found = await understood(session, given)
        span = found.period.start, found.period.end
        spent = await ledger.costliest(session, *span, found.narrowed, limit=AT_ONCE + 1, after=after)
        names = await naming.names(session, services(request).vault, {each.contact_id for each in spent})
    return render(
        request,
        "pages/reports/conversations.html",
        422 if found.errors else 200,
        asked=given,
        found=found,
        spent=spent[:AT_ONCE],
        names=names,
        is_later=after is not None,
        more=_more(given, spent),
        errors=found.errors,
        words=report_words,
    )


def _more(given: Asked, spent: Sequence[Spent]) -> str | None:
    """The query of the next page."""
    if len(spent) <= AT_ONCE:
        return None
    last = spent[AT_ONCE - 1]
    query = given.query()
    return f"{query}{'&' if query else '?'}cost={last.amount.cost:f}&before={last.conversation_id}"


def _line(found: Understood, report: Report, month: Month) -> tuple[str, Decimal] | None:
    """A month's budget, were it spent in even parts, where bars are days and it is of all that they show."""
    narrowed = found.narrowed
    if report.period.step != "day" or narrowed.model or narrowed.connection_id or narrowed.tests:
        return None
    budget = month.business.budget
    if narrowed.employee_id is not None:
        key = found.known.employees[narrowed.employee_id][0]
        budget = next((each.budget for each in month.employees if each.key == key), None)
    if budget is None:
        return None
    return "Budget, in even parts", budget / month.period.days


def _cards(report: Report) -> list[dict[str, Any]]:
    now, before, words = report.total, report.before, report_words
    each = now.cost / report.conversations if report.conversations else None
    return [
        {
            "title": "Total cost",
            "value": words.money(now.cost),
            "exact": f"{now.cost:f}",
            "delta": words.change(now.cost, before.cost, good="less"),
            "note": f"{words.money(now.own)} of it on your own keys" if now.own else "",
        },
        {
            "title": "Tokens",
            "value": words.short(now.tokens),
            "exact": str(now.tokens),
            "delta": words.change(now.tokens, before.tokens, good="less"),
            "note": f"{words.short(now.input)} in ({words.short(now.cached)} cached), {words.short(now.output)} out",
        },
        {
            "title": "Conversations",
            "value": words.count(report.conversations),
            "exact": str(report.conversations),
            "delta": words.change(report.conversations, report.conversations_before, good="more"),
            "note": f"{words.money(each)} each" if each is not None else "",
        },
        {
            "title": "Model calls",
            "value": words.count(now.calls),
            "exact": str(now.calls),
            "delta": words.change(now.calls, before.calls, good="none"),
            "note": f"{words.count(now.failed)} failed" if now.failed else "none failed",
        },
    ]
