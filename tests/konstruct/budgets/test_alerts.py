"""Who is told, how often, and once whatever runs at once."""

import asyncio
from datetime import date
from decimal import Decimal

import pytest

from konstruct.accounts import mails
from konstruct.budgets import alerts
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
        return await alerts.cross(*(session, office.vault, SITE, what, month), used=Decimal(used), most=Decimal(most))


async def mailed(office: Office, who: Enrolled) -> list[tuple[str, str]]:
    """Subjects and texts, the oldest first."""
    kept = await mails.kept(office.database, office.vault, 1_000)
    return [(mail.subject, mail.text) for mail in reversed(kept) if mail.to == who.email]


async def test_each_part_is_told_once_and_in_its_turn(office: Office, owner: Enrolled) -> None:
    told = [await cross(office, used, "10") for used in ("4.9999999999", "5", "5.1", "8", "9.99", "10", "10.5", "99")]
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
            args = (session, office.vault, SITE, BUSINESS, NOVEMBER)
            assert await alerts.cross(*args, used=Decimal(5), most=Decimal(10)) == 50
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert await mailed(office, owner) == []
    assert await cross(office, "5", "10") == 50


async def test_a_budget_that_was_raised_is_crossed_anew(office: Office, owner: Enrolled) -> None:
    assert await cross(office, "10", "10") == 100
    # Half of it lies behind what was used when they were told; eight of ten parts lie before it.
    assert [await cross(office, used, "18") for used in ("10", "14.3", "14.4", "14.5")] == [None, None, 80, None]
    assert [await cross(office, used, "100") for used in ("14.5", "49", "50", "80", "100")] == [None, None, 50, 80, 100]
    assert len(await mailed(office, owner)) == 5


async def test_a_budget_that_was_lowered_or_set_again_tells_nothing_twice(office: Office, owner: Enrolled) -> None:
    assert await cross(office, "8", "10") == 80
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
        assert subject == "The month's budget of Ada is used to 80%"
        assert "$4.50" in text
        assert "$5.00" in text
        assert f"{SITE}/t/{owner.slug}/usage#budgets" in text
    for other in (agent, viewer, stranger):
        assert await mailed(office, other) == []


async def test_plans_are_told_of_from_eighty_percent_on(office: Office, owner: Enrolled) -> None:
    async def use(used: int) -> int | None:
        async with office.session() as session:
            return await alerts.cross(*(session, office.vault, SITE, "plan:messages", NOVEMBER), used=used, most=2_000)

    assert [await use(used) for used in (1_000, 1_600, 1_601, 2_000, 2_001)] == [None, 80, None, 100, None]
    (_, near), (subject, spent) = await mailed(office, owner)
    assert "1,600 of the 2,000 messages" in near
    assert subject.startswith("All of what")
    assert f"{SITE}/t/{owner.slug}/billing" in spent


async def test_business_and_employee_are_told_of_apart(office: Office, owner: Enrolled) -> None:
    assert await cross(office, "5", "10") == 50
    assert await cross(office, "5", "10", f"budget:{office.employee_id}") == 50
    assert len(await mailed(office, owner)) == 2
