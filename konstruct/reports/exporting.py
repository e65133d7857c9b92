"""Reports as files for spreadsheets: what is shown, and the rows of the ledger that it is made of."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from konstruct.db import Database
from konstruct.reports import ledger
from konstruct.reports.outcomes import Of, Outcomes, Times
from konstruct.reports.sheets import Cell, lines
from konstruct.reports.usage import TESTS, Amount, By, Known, Narrowed, Report

_AMOUNT = (
    *("cost_usd", "on_own_keys_usd", "by_assumed_prices_usd", "calls", "calls_without_price", "failed_calls"),
    *("input_tokens", "cached_tokens", "output_tokens"),
)
_LEDGER = (
    *("id", "at", "conversation_id", "turn_id", "employee", "channel", "provider", "model", "purpose", "outcome"),
    *("error", "key_of", "is_test", "input_tokens", "cached_tokens", "output_tokens", "tokens_estimated"),
    *("cost_usd", "price_list", "price_assumed", "latency_ms", "first_token_ms"),
)


def of_usage(report: Report, by: By, named: Callable[[str, str], str] = lambda key, name: name) -> Iterator[str]:
    """A line for each bar and each row that has something in it. ``named``: what a row is called, by key and name."""
    yield lines([("from", "to", "time_zone", by, "key", *_AMOUNT)], first=True)
    period = report.period
    for place, day in enumerate(period.cuts):
        days = (day.isoformat(), period.last_of(place).isoformat(), period.zone.key)
        rows = ((row, row.bars[place]) for row in report.rows[by])
        yield lines(
            (*days, named(row.key, row.name), row.key, *_amount(amount)) for row, amount in rows if amount.calls
        )


def of_outcomes(outcomes: Outcomes) -> Iterator[str]:
    """A line for each bar."""
    head = (
        *("from", "to", "time_zone", "conversations", "resolved_without_a_person", "with_people", "unanswered"),
        *_times("first_reply"),
        *("handoffs", "resolved", "handed_back", "nobody_came", "reopened"),
        *(*_times("to_person"), *_times("to_persons_reply")),
        *("asked_for_a_rating", "rated", "rating_mean", *(f"rated_{score}" for score in range(1, 6))),
    )
    yield lines([head], first=True)
    period = outcomes.period
    for place, (day, of) in enumerate(zip(period.cuts, outcomes.bars, strict=True)):
        yield lines([(day.isoformat(), period.last_of(place).isoformat(), period.zone.key, *_outcome(of))])


async def of_ledger(
    database: Database,
    tenant_id: UUID,
    known: Known,
    span: tuple[datetime, datetime],
    zone: ZoneInfo,
    narrowed: Narrowed,
) -> AsyncIterator[str]:
    """A line for each model call, the oldest first."""
    yield lines([_LEDGER], first=True)
    async for batch in ledger.rows(database, tenant_id, *span, narrowed):
        yield lines(
            (
                *(str(row.id), row.created_at.astimezone(zone), str(row.conversation_id), str(row.turn_id)),
                known.employees[row.employee_id][0],
                known.places[connection_id].key if connection_id in known.places and not row.is_rehearsal else TESTS,
                *(row.provider, row.model, row.purpose, row.outcome, row.error, row.key_of, row.is_rehearsal),
                *(row.input_tokens, row.cached_tokens, row.output_tokens, row.estimated),
                *(row.cost, row.price_version, row.is_price_assumed, row.latency_ms, row.first_token_ms),
            )
            for row, connection_id in batch
        )


def _amount(amount: Amount) -> tuple[Cell, ...]:
    # Where nothing of it has a price, its cost is not nothing.
    cost = amount.cost if amount.unpriced < amount.calls else None
    return (
        cost,
        amount.own,
        amount.assumed,
        amount.calls,
        amount.unpriced,
        amount.failed,
        amount.input,
        amount.cached,
        amount.output,
    )


def _times(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{what}_seconds" for what in ("median", "p90", "mean"))


def _outcome(of: Of) -> tuple[Cell, ...]:
    handled, handed_off, rated = of.handled, of.handed_off, of.satisfaction
    return (
        *(handled.conversations, handled.alone, handled.with_people, handled.unanswered),
        *_measured(handled.first_reply),
        *(handed_off.count, handed_off.resolved, handed_off.handed_back, handed_off.nobody_came, handed_off.reopened),
        *(*_measured(handed_off.to_person), *_measured(handed_off.to_reply)),
        *(rated.asked, rated.answered, rated.mean, *rated.scores),
    )


def _measured(times: Times) -> tuple[Cell, ...]:
    return tuple(round(each, 3) if each is not None else None for each in (times.median, times.ninetieth, times.mean))
