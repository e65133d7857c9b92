"""Routes of reports: what models cost, what became of conversations, and the budgets for a month."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import StreamingResponse

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, handing_out
from konstruct.api_keys import Principal
from konstruct.budgets import alerts
from konstruct.budgets import terms as budgets
from konstruct.budgets.terms import Month, WhenSpent
from konstruct.db import Database
from konstruct.reports import exporting, outcomes, periods, usage
from konstruct.reports.outcomes import Outcomes
from konstruct.reports.periods import Period
from konstruct.reports.sheets import MEDIA_TYPE
from konstruct.reports.usage import Amount, By, Known, Narrowed, Report
from konstruct.sharing import one_of_few
from konstruct.tables.base import utc_now

_SHEET: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/csv": {}}, "description": "A sheet."}}


class Asked(Given):
    """Days are those of the business's time zone."""

    range: str = Field("", description="7, 30, 90, 365, this-month or last-month; 30 unless days are given.")
    from_: str = Field("", alias="from", description="The first day, such as 2026-11-01.")
    to: str = Field("", description="The last day, which is in it; today unless it is given.")
    employee: str = Field("", description="Its key.")
    channel: str = Field("", description="The connection's key; of usage also `tests`, the tests of drafts.")


class UsageAsked(Asked):
    model: str = Field("", description="As provider/model.")


class SheetAsked(UsageAsked):
    by: By = "employee"


class Days(BaseModel):
    first: date
    last: date
    time_zone: str
    step: Literal["day", "week"] = Field(description="What each of `bars` is.")

    @classmethod
    def of(cls, period: Period) -> "Days":
        return cls(first=period.first, last=period.last, time_zone=period.zone.key, step=period.step)


class Cost(Shown):
    cost: Decimal = Field(description="US dollars, exact, of the calls whose price is known.")
    own: Decimal = Field(description="Of it, on the business's own keys, which their providers bill to the business.")
    assumed: Decimal = Field(description="Of it, by assumed prices: no price list has the model.")
    calls: int
    unpriced: int = Field(description="Calls of which nobody knows the price; they are in no cost.")
    failed: int
    input: int = Field(description="Tokens, those that were cached among them.")
    output: int
    cached: int


class CostBar(Cost):
    first: date
    last: date


class CostRow(BaseModel):
    key: str
    name: str
    total: Cost
    costs: list[Decimal] = Field(description="One for each of `bars`.")


class UsageReport(BaseModel):
    period: Days
    total: Cost
    before: Cost = Field(description="In the previous period, up to the same time of day where this one is not over.")
    conversations: int = Field(description="Which cost something, tests of drafts left out.")
    conversations_before: int
    bars: list[CostBar]
    employee: list[CostRow] = Field(description="By employee; each of these lists sums up to `total`.")
    model: list[CostRow]
    channel: list[CostRow]
    purpose: list[CostRow]
    key: list[CostRow] = Field(description="By whose key it was: the deployment's or the tenant's own.")
    price: list[CostRow] = Field(
        description="By the version of the price list; `assumed` where no list has the model, `unlisted` where none is"
        " needed or none was noted, `unknown` where nobody knows the price."
    )

    @classmethod
    def of(cls, report: Report) -> "UsageReport":
        period = report.period
        bars = [
            CostBar(**_cost(amount).model_dump(), first=period.cuts[place], last=period.last_of(place))
            for place, amount in enumerate(report.bars)
        ]
        rows = {
            by: [
                CostRow(key=row.key, name=row.name, total=_cost(row.amount), costs=[bar.cost for bar in row.bars])
                for row in rows
            ]
            for by, rows in report.rows.items()
        }
        return cls(
            period=Days.of(period),
            total=_cost(report.total),
            before=_cost(report.before),
            conversations=report.conversations,
            conversations_before=report.conversations_before,
            bars=bars,
            employee=rows["employee"],
            model=rows["model"],
            channel=rows["channel"],
            purpose=rows["purpose"],
            key=rows["key"],
            price=rows["price"],
        )


class Times(Shown):
    count: int
    median: float | None = Field(description="Seconds.")
    ninetieth: float | None = Field(description="Nine of ten took no longer.")
    mean: float | None


class Handled(Shown):
    conversations: int = Field(description="In which a contact wrote in these days, each on the first of them.")
    alone: int = Field(description="An employee answered; no person was asked for, took over or wrote in these days.")
    with_people: int
    unanswered: int
    first_reply: Times


class HandedOff(Shown):
    count: int
    waiting: int
    owned: int
    resolved: int
    handed_back: int
    nobody_came: int
    erased: int
    reopened: int = Field(description="Within a week after people had given the conversation back.")
    to_person: Times
    to_reply: Times


class Satisfaction(Shown):
    asked: int
    answered: int
    mean: float | None
    scores: tuple[int, int, int, int, int] = Field(description="How many gave 1, 2, 3, 4 and 5.")


class Outcome(Shown):
    handled: Handled
    handed_off: HandedOff
    satisfaction: Satisfaction


class OutcomeBar(Outcome):
    first: date
    last: date


class OutcomeRow(Outcome):
    key: str


class Reason(Shown):
    cause: str
    rule: str | None
    target: str | None
    handed_off: HandedOff


class OutcomesReport(BaseModel):
    period: Days
    total: Outcome
    before: Outcome
    bars: list[OutcomeBar]
    employees: list[OutcomeRow]
    channels: list[OutcomeRow]
    reasons: list[Reason] = Field(description="Why people were asked, the most frequent first.")
    let_go_before: datetime | None = Field(description="Hand-offs that ended earlier may have been let go of.")

    @classmethod
    def of(cls, found: Outcomes, known: Known) -> "OutcomesReport":
        period = found.period
        bars = [
            OutcomeBar(**_outcome(of), first=period.cuts[place], last=period.last_of(place))
            for place, of in enumerate(found.bars)
        ]
        return cls(
            period=Days.of(period),
            total=Outcome.model_validate(found.total),
            before=Outcome.model_validate(found.before),
            bars=bars,
            employees=[
                OutcomeRow(**_outcome(of), key=known.employees[each][0]) for each, of in found.employees.items()
            ],
            channels=[OutcomeRow(**_outcome(of), key=known.places[each].key) for each, of in found.connections.items()],
            reasons=[Reason.model_validate(each) for each in found.reasons],
            let_go_before=found.let_go_before,
        )


_CHOICES = (
    "What becomes of messages once a budget is spent: people are asked, models answer that cost nothing, or they wait."
)


class Budgets(Given):
    """US dollars for a calendar month, as texts such as "49.50". What is left out or null has no budget."""

    business: str | None = None
    employees: dict[str, str | None] = Field(default_factory=dict, description="By the employees' keys.")
    when_spent: WhenSpent | None = Field(None, description=f"{_CHOICES} As before where it is left out.")


class Standing(Shown):
    spent: Decimal = Field(description="US dollars in this month so far.")
    own: Decimal = Field(description="Of it, on the business's own keys. It counts as the rest does.")
    unpriced: int
    budget: Decimal | None
    state: Literal["none", "within", "near", "over"] = Field(description="near: 80% or more is used; over: all of it.")


class EmployeeStanding(Standing):
    key: str


class BudgetsShown(BaseModel):
    """Owners and admins are told at 50%, 80% and 100%, once each. No call is made that a budget does not hold."""

    month: Days
    when_spent: WhenSpent = Field(description=_CHOICES)
    business: Standing
    employees: list[EmployeeStanding] = Field(description="Those that have a budget or cost something.")

    @classmethod
    def of(cls, month: Month) -> "BudgetsShown":
        return cls(
            month=Days.of(month.period),
            when_spent=month.when_spent,
            business=Standing.model_validate(month.business),
            employees=[EmployeeStanding.model_validate(each) for each in month.employees],
        )


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(tags=["reports"])

    @routes.get("/reports/usage")
    async def report_usage(
        caller: Annotated[Principal, access.needs("reports:read")], asked: Annotated[UsageAsked, Query()]
    ) -> UsageReport:
        async with (
            one_of_few(caller.tenant_id),
            database.tenant_session(caller.tenant_id, snapshot=True) as session,
        ):
            period, known, narrowed = await _understood(session, asked)
            return UsageReport.of(await usage.report(session, period, known, narrowed))

    @routes.get("/reports/usage.csv", response_class=StreamingResponse, responses=_SHEET)
    async def export_usage(
        caller: Annotated[Principal, access.needs("reports:read")], asked: Annotated[SheetAsked, Query()]
    ) -> StreamingResponse:
        async with (
            one_of_few(caller.tenant_id),
            database.tenant_session(caller.tenant_id, snapshot=True) as session,
        ):
            period, known, narrowed = await _understood(session, asked)
            report = await usage.report(session, period, known, narrowed)
        return StreamingResponse(exporting.of_usage(report, asked.by), media_type=MEDIA_TYPE)

    @routes.get("/reports/ledger.csv", response_class=StreamingResponse, responses=_SHEET)
    async def export_ledger(
        caller: Annotated[Principal, access.needs("reports:read")], asked: Annotated[UsageAsked, Query()]
    ) -> StreamingResponse:
        async with database.tenant_session(caller.tenant_id) as session:
            period, known, narrowed = await _understood(session, asked)
        span = period.start, period.end
        lines = exporting.of_ledger(database, caller.tenant_id, known, span, period.zone, narrowed)
        return StreamingResponse(handing_out.begun(caller.tenant_id, lines), media_type=MEDIA_TYPE)

    @routes.get("/reports/outcomes")
    async def report_outcomes(
        caller: Annotated[Principal, access.needs("reports:read")], asked: Annotated[Asked, Query()]
    ) -> OutcomesReport:
        async with (
            one_of_few(caller.tenant_id),
            database.tenant_session(caller.tenant_id, snapshot=True) as session,
        ):
            period, known, narrowed = await _understood(session, asked)
            return OutcomesReport.of(await outcomes.read(session, period, narrowed), known)

    @routes.get("/reports/outcomes.csv", response_class=StreamingResponse, responses=_SHEET)
    async def export_outcomes(
        caller: Annotated[Principal, access.needs("reports:read")], asked: Annotated[Asked, Query()]
    ) -> StreamingResponse:
        async with (
            one_of_few(caller.tenant_id),
            database.tenant_session(caller.tenant_id, snapshot=True) as session,
        ):
            period, _, narrowed = await _understood(session, asked)
            found = await outcomes.read(session, period, narrowed)
        return StreamingResponse(exporting.of_outcomes(found), media_type=MEDIA_TYPE)

    @routes.get("/budgets")
    async def show_budgets(caller: Annotated[Principal, access.needs("reports:read")]) -> BudgetsShown:
        async with database.tenant_session(caller.tenant_id) as session:
            return BudgetsShown.of(await budgets.month(session, utc_now()))

    @routes.put("/budgets", openapi_extra=shapes.takes(Budgets))
    async def set_budgets(
        caller: Annotated[Principal, access.needs("settings:write")], request: Request
    ) -> BudgetsShown:
        given = await shapes.read(request, Budgets)
        values = {budgets.BUSINESS: given.business or ""}
        values |= {f"employees.{key}": amount or "" for key, amount in given.employees.items()}
        if given.when_spent is not None:
            values["when_spent"] = given.when_spent
        async with database.tenant_session(caller.tenant_id) as session:
            await budgets.change(
                session, caller.tenant_id, values, actor=await api_keys.actor_of(session, caller.key_id)
            )
            await alerts.look(session, utc_now())
            return BudgetsShown.of(await budgets.month(session, utc_now()))

    return routes


async def _understood(session: AsyncSession, asked: Asked) -> tuple[Period, Known, Narrowed]:
    """Raises Mistakes."""
    period = periods.chosen(asked.range, asked.from_, asked.to, await periods.zone(session), utc_now())
    known = await usage.known(session, period)
    model = asked.model if isinstance(asked, UsageAsked) else ""
    channel = asked.channel
    return period, known, known.narrowed(employee=asked.employee, model=model, channel=channel)


def _cost(amount: Amount) -> Cost:
    return Cost.model_validate(amount)


def _outcome(of: outcomes.Of) -> Mapping[str, Shown]:
    return {
        "handled": Handled.model_validate(of.handled),
        "handed_off": HandedOff.model_validate(of.handed_off),
        "satisfaction": Satisfaction.model_validate(of.satisfaction),
    }
