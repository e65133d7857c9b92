"""What became of conversations: who answered them, how soon, why people were asked, and what contacts think of it."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from konstruct.desk import people
from konstruct.desk.people import Desk
from konstruct.reports import outcomes
from konstruct.reports.outcomes import Of, Outcomes
from konstruct.sharing import one_of_few
from portal import report_words
from portal.pages.reports.asking import Understood, understood
from portal.pages.reports.charts import Series, chart
from portal.pages.reports.usage import Reader, Wanted
from portal.rendering import render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/outcomes")

_BARS: Final = (
    ("Resolved without a person", "alone"),
    ("With people", "with_people"),
    ("Not answered", "unanswered"),
)
_ENDS: Final = (
    ("Resolved by a person", "resolved"),
    ("Handed back to the employee", "handed_back"),
    ("Nobody came", "nobody_came"),
    ("Somebody has it", "owned"),
    ("Waiting", "waiting"),
    ("The contact was erased", "erased"),
)
_ALWAYS: Final = frozenset({"resolved", "handed_back", "nobody_came"})
"""Ends that are told of even when nothing ended so."""


@router.get("")
async def show(request: Request, member: Reader, given: Wanted) -> Response:
    async with (
        one_of_few(member.tenant_id),
        services(request).database.tenant_session(member.tenant_id, snapshot=True) as session,
    ):
        found = await understood(session, given)
        report = await outcomes.read(session, found.period, found.narrowed)
        desk = await people.settings(session)
    by = "channel" if given.by == "channel" else "employee"
    series = [
        Series(name, [getattr(bar.handled, field) for bar in report.bars], is_rest=field == "unanswered")
        for name, field in _BARS
    ]
    total = report.total.handed_off
    return render(
        request,
        "pages/reports/outcomes.html",
        422 if found.errors else 200,
        asked=given,
        found=found,
        report=report,
        by=by,
        rows=_rows(report, found, by),
        series=series,
        chart=chart(found.period, series, unit="count"),
        cards=_cards(report),
        reasons=[
            (
                report_words.CAUSES.get(each.cause, each.cause),
                each.rule or "",
                _asked(each.target, desk),
                each.handed_off,
            )
            for each in report.reasons
        ],
        ends=[(name, getattr(total, field)) for name, field in _ENDS if getattr(total, field) or field in _ALWAYS],
        errors=found.errors,
        words=report_words,
    )


def _rows(report: Outcomes, found: Understood, by: str) -> Sequence[tuple[str, str, Of]]:
    """Key, name and numbers, the most conversations first."""
    if by == "channel":
        places = found.known.places
        rows = [
            (places[each].key, report_words.name("channel", places[each].key, "", found.known), of)
            for each, of in report.connections.items()
        ]
    else:
        rows = [(*found.known.employees[each], of) for each, of in report.employees.items()]
    return sorted(rows, key=lambda row: (-row[2].handled.conversations, -row[2].handed_off.count, row[1]))


def _asked(target: str | None, desk: Desk) -> str:
    """Whom it was for; groups have no names, and people may have left."""
    person = desk.agent(target) if target else None
    return person.name if person else target or "Anybody"


def _cards(report: Outcomes) -> list[dict[str, Any]]:
    words = report_words
    now, before = report.total, report.before
    handled, people_ = now.handled, now.handed_off
    return [
        {
            "title": "Conversations",
            "value": words.count(handled.conversations),
            "exact": str(handled.conversations),
            "delta": words.change(handled.conversations, before.handled.conversations, good="more"),
            "note": f"{words.count(handled.unanswered)} not answered" if handled.unanswered else "",
        },
        {
            "title": "Resolved without a person",
            "value": words.share(handled.resolved_share),
            "exact": str(handled.alone),
            "delta": words.points(handled.resolved_share, before.handled.resolved_share, good="more"),
            "note": words.many(handled.alone, "conversation", "conversations"),
        },
        {
            "title": "With people",
            "value": words.share(handled.handoff_share),
            "exact": str(handled.with_people),
            "delta": words.points(handled.handoff_share, before.handled.handoff_share, good="less"),
            "note": words.many(people_.count, "hand-off", "hand-offs"),
        },
        _time("Time to first reply", handled.first_reply, before.handled.first_reply),
        _time("Time to a person", people_.to_person, before.handed_off.to_person),
        _satisfied(report),
    ]


def _time(title: str, now: outcomes.Times, before: outcomes.Times) -> dict[str, Any]:
    words = report_words
    note = f"9 of 10 within {words.seconds(now.ninetieth)}; mean {words.seconds(now.mean)}" if now.count else ""
    return {
        "title": title,
        "value": words.seconds(now.median),
        "exact": "" if now.median is None else f"{now.median:.3f}",
        "delta": words.change(now.median, before.median, good="less")
        if now.median is not None and before.median
        else words.NO_DELTA,
        "note": note,
    }


def _satisfied(report: Outcomes) -> dict[str, Any]:
    now, before = report.total.satisfaction, report.before.satisfaction
    delta = report_words.NO_DELTA
    if now.mean is not None and before.mean is not None:
        delta = report_words.by(now.mean - before.mean, good="more")
    return {
        "title": "Satisfaction",
        "value": f"{now.mean:.1f} of 5" if now.mean is not None else "–",
        "exact": "" if now.mean is None else f"{now.mean:.3f}",
        "delta": delta,
        "note": f"{report_words.count(now.answered)} of {report_words.count(now.asked)} who were asked answered"
        if now.asked
        else "nobody was asked",
    }
