"""Who is told, how often, and once whatever runs at once."""

import asyncio
from datetime import date
from decimal import Decimal

import pytest

from konstruct.accounts import mails
from konstruct.budgets import alerts, terms
from konstruct.tables.base import utc_now
from tests.konstruct.reports.ledgers import a_call, write_down
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office

SITE = "https://portal.example"
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
BUSINESS = "budget:business"


@pytest.fixture
async def owner(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, "owner", office.tenant_id)


async def cross(office: Office, used: str, most: str, what: str = BUSINESS, month: date = NOVEMBER) -> int | None:
    async with office.session() as session:
        return await alerts.cross(session, what, month, used=Decimal(used), most=Decimal(most))


async def mailed(office: Office, who: Enrolled) -> list[tuple[str, str]]:
    """Subjects and texts, the oldest first."""
    await alerts.write(office.database, office.vault, SITE)
    kept = await mails.kept(office.database, office.vault, 1_000)
    return [(mail.subject, mail.text) for mail in reversed(kept) if mail.to == who.email]


async def test_each_part_is_told_once_and_in_its_turn(office: Office, owner: Enrolled) -> None:
    told = []
    for used in ("4.9999999999", "5", "5.1", "8", "9.99", "10", "10.5", "99"):
        told.append(await cross(office, used, "10"))
        await mailed(office, owner)
    assert told == [None, 50, None, 80, None, 100, None, None]
    subjects = [subject for subject, _ in await mailed(office, owner)]
    assert len(subjects) == 3
    assert ["used to 50%" in subjects[0], "used to 80%" in subjects[1], "used up" in subjects[2]] == [True] * 3
    assert [await cross(office, "5", "10", month=DECEMBER), await cross(office, "5", "10", month=DECEMBER)] == [
        50,
        None,
    ]


async def test_whoever_comes_past_several_at_once_is_told_of_the_highest(office: Office, owner: Enrolled) -> None:
    assert await cross(office, "9", "10") == 80
    assert len(await mailed(office, owner)) == 1
    assert await cross(office, "9.5", "10") is None


async def test_of_many_at_once_one_tells(office: Office, owner: Enrolled) -> None:
    told = await asyncio.gather(*(cross(office, f"{8 + number / 100}", "10") for number in range(25)))
    assert [each for each in told if each is not None] == [80]
    assert len(await mailed(office, owner)) == 1


async def test_what_was_undone_was_not_told(office: Office, owner: Enrolled) -> None:
    async def undone() -> None:
        async with office.session() as session:
            assert await alerts.cross(session, BUSINESS, NOVEMBER, used=5, most=10) == 50
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert await mailed(office, owner) == []
    assert await cross(office, "5", "10") == 50


async def test_a_budget_that_was_raised_is_crossed_anew(office: Office, owner: Enrolled) -> None:
    assert await cross(office, "10", "10") == 100
    assert len(await mailed(office, owner)) == 1
    # Half of it lies behind what was used when they were told; eight of ten parts lie before it.
    assert [await cross(office, used, "18") for used in ("10", "14.3", "14.4", "14.5")] == [None, None, 80, None]
    assert len(await mailed(office, owner)) == 2
    assert [await cross(office, used, "100") for used in ("14.5", "49", "50", "80", "100")] == [None, None, 50, 80, 100]
    assert len(await mailed(office, owner)) == 3


async def test_a_budget_that_was_lowered_or_set_again_tells_nothing_twice(office: Office, owner: Enrolled) -> None:
    assert await cross(office, "8", "10") == 80
    assert len(await mailed(office, owner)) == 1
    assert await cross(office, "8", "100") is None
    assert await cross(office, "8", "10") is None
    assert await cross(office, "8", "9") is None
    assert await cross(office, "8", "8") == 100
    assert len(await mailed(office, owner)) == 2


async def test_owners_and_admins_are_mailed_and_nobody_else(office: Office, owner: Enrolled) -> None:
    admin, agent, viewer = [
        await enrolled(office.database, office.vault, role, office.tenant_id) for role in ("admin", "agent", "viewer")
    ]
    stranger = await enrolled(office.database, office.vault)
    await cross(office, "4.5", "5", f"budget:{office.employee_id}")
    for who in (owner, admin):
        [(subject, text)] = await mailed(office, who)
        assert subject == "Ada: the budget for November is used to 80%"
        assert "models have cost $4.50 of the $5.00 that Ada may spend on them in November." in text
        assert f"{SITE}/t/{owner.slug}/usage#budgets" in text
    for other in (agent, viewer, stranger):
        assert await mailed(office, other) == []


async def test_plans_are_told_of_from_eighty_percent_on(office: Office, owner: Enrolled) -> None:
    async def use(used: int) -> int | None:
        async with office.session() as session:
            return await alerts.cross(session, "plan:messages", NOVEMBER, used=used, most=2_000)

    assert [await use(used) for used in (1_000, 1_600, 1_601)] == [None, 80, None]
    [(_, near)] = await mailed(office, owner)
    assert "1,600 of the 2,000 messages" in near
    assert [await use(used) for used in (2_000, 2_001)] == [100, None]
    _, (subject, spent) = await mailed(office, owner)
    assert subject.endswith(": all of what the plan includes for the month is used")
    assert f"{SITE}/t/{owner.slug}/billing" in spent


async def test_business_and_employee_are_told_of_apart(office: Office, owner: Enrolled) -> None:
    assert await cross(office, "5", "10") == 50
    assert await cross(office, "5", "10", f"budget:{office.employee_id}") == 50
    assert len(await mailed(office, owner)) == 2


async def change(office: Office, **values: str) -> None:
    """As a page does it."""
    async with office.session() as session:
        await terms.change(session, office.tenant_id, {"business": "", **values}, actor="test")
        await alerts.look(session, utc_now())


async def test_a_budget_that_is_set_below_what_was_spent_is_told_of(office: Office, owner: Enrolled) -> None:
    asked = await office.say()
    await write_down(office, a_call(office, asked.conversation_id, utc_now(), "9"))
    await change(office, business="100")
    assert await mailed(office, owner) == []
    await change(office, business="10", when_spent="local", **{"employees.ada": "9"})
    (one, spent), (whole, near) = sorted(await mailed(office, owner), reverse=True)
    assert whole.endswith("is used to 80%")
    assert "When it is used up, employees answer with models that cost nothing" in near
    assert one.startswith("Ada: the budget for ")
    assert one.endswith(" is used up")
    assert "From now on employees answer with models that cost nothing" in spent
    await change(office, business="10", **{"employees.ada": "8"})
    assert len(await mailed(office, owner)) == 2


@pytest.mark.parametrize(
    ("chosen", "says"),
    [("people", "conversations are handed to people"), ("local", "cost nothing"), ("pause", "messages wait")],
)
async def test_mails_tell_what_happens_then(office: Office, owner: Enrolled, chosen: str, says: str) -> None:
    await change(office, business="10", when_spent=chosen)
    assert await cross(office, "10", "10") == 100
    [(_, text)] = await mailed(office, owner)
    assert says in text


async def test_what_was_crossed_last_is_told(office: Office, owner: Enrolled) -> None:
    await cross(office, "10", "10")
    await cross(office, "16", "20")
    [(subject, text)] = await mailed(office, owner)
    assert "used to 80%" in subject
    assert "$16.00 of the $20.00" in text


async def test_many_processes_write_each_mail_once(office: Office, owner: Enrolled) -> None:
    await cross(office, "10", "10")
    await asyncio.gather(*(alerts.write(office.database, office.vault, SITE) for _ in range(8)))
    assert len(await mailed(office, owner)) == 1


class TestBadge:
    async def test_each_member_has_seen_it_who_has_looked(self, office: Office, owner: Enrolled) -> None:
        admin = await enrolled(office.database, office.vault, "admin", office.tenant_id)
        month = utc_now().date().replace(day=1)
        await cross(office, "8", "10", month=month)
        await cross(office, "8", "10", f"budget:{office.employee_id}", month)
        await cross(office, "8", "10", "plan:messages", month)
        assert await unseen(office, owner) == await unseen(office, admin) == {"budget": 2, "plan": 1}
        await see(office, owner, "budget")
        assert await unseen(office, owner) == {"plan": 1}
        assert await unseen(office, admin) == {"budget": 2, "plan": 1}
        await cross(office, "10", "10", month=month)
        assert await unseen(office, owner) == {"budget": 1, "plan": 1}

    async def test_what_is_crossed_anew_is_new_to_everybody(self, office: Office, owner: Enrolled) -> None:
        month = utc_now().date().replace(day=1)
        await cross(office, "5", "10", month=month)
        await see(office, owner, "budget")
        await cross(office, "10", "20", month=month)
        assert await unseen(office, owner) == {"budget": 1}

    async def test_last_months_are_over(self, office: Office, owner: Enrolled) -> None:
        await cross(office, "10", "10", month=date(2026, 1, 1))
        assert await unseen(office, owner) == {}


async def unseen(office: Office, who: Enrolled) -> dict[str, int]:
    async with office.session() as session:
        return await alerts.unseen(session, who.user_id)


async def see(office: Office, who: Enrolled, kind: alerts.Kind) -> None:
    async with office.session() as session:
        await alerts.see(session, kind, who.user_id)
