"""What is due for a handoff at given times, as tests have it done and look at it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from konstruct.handoffs import attending
from konstruct.handoffs.attending import Advanced
from tests.support.handoffs import handoff_row, seat
from tests.support.office import Office

SUNDAY = datetime(2026, 11, 29, 12, tzinfo=UTC)
WEEKDAYS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-17:00")
BOTH = ("grace", "linus")


async def grouped(office: Office, **terms: object) -> None:
    await seat(office, groups={"support": {"people": list(BOTH), **terms}})


async def advance(office: Office, handoff_id: UUID, after: timedelta = timedelta(0)) -> Advanced:
    """So long after it was opened."""
    opened = (await handoff_row(office, handoff_id)).created_at
    async with office.session() as session:
        return await attending.advance(session, office.vault, handoff_id, opened + after)


async def cross_out(office: Office, handoff_id: UUID, *done: attending.Task) -> None:
    for task in done:
        async with office.session() as session:
            await attending.cross_out(session, handoff_id, task.id)


async def not_now(office: Office, handoff_id: UUID, agent: str) -> None:
    async with office.session() as session:
        await attending.not_now(session, handoff_id, agent)


async def told(office: Office) -> list[str]:
    """What the contact was told, in order."""
    return [message.body or "" for message in await office.messages("outbound") if message.purpose == "notice"]


def kinds(advanced: Advanced) -> list[tuple[str, tuple[str, ...]]]:
    return [(task.kind, task.people) for task in advanced.tasks]
