"""Turns outside an employee's hours: its own sentence and no model; what was begun before is brought to its end."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import select

from activities.thinking import Thinking
from konstruct.desk.hours import DAYS
from konstruct.tables import Employee, EmployeeVersion, Tenant
from konstruct.tables.base import utc_now
from tests.activities.escalations import rule, rules
from tests.activities.turns import Turn
from tests.support.doubles import ScriptedModel
from tests.support.office import Office

ALWAYS = dict.fromkeys(DAYS, "00:00-24:00")


def closed_now() -> dict[str, str]:
    """Open on one day that is neither today nor near, whatever the clock shows when the test goes over midnight."""
    return {DAYS[(utc_now() + timedelta(days=3)).weekday()]: "09:00-17:00"}


async def keep_hours(office: Office, hours: dict[str, Any], away_reply: str = "") -> None:
    """As if it were published anew, which is what a version is for."""
    async with office.session() as session:
        employee = (await session.scalars(select(Employee))).one()
        version = (
            await session.scalars(select(EmployeeVersion).where(EmployeeVersion.number == employee.published_version))
        ).one()
        employee.published_version += 1
        kept = version.model_dump(exclude={"id", "published_at"})
        kept |= {"number": employee.published_version, "hours": hours, "away_reply": away_reply}
        session.add(EmployeeVersion(**kept))


async def test_outside_its_hours_it_says_when_it_is_back_and_asks_no_model(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await keep_hours(office, {**closed_now(), "time_zone": "Europe/Vienna"}, "Gone {until} we meet; back on {back}!")

    answer = await Turn(office, thinking, await office.say()).answer()

    day = (utc_now().astimezone(ZoneInfo("UTC")) + timedelta(days=3)).strftime("%A")
    assert answer.startswith(f"Gone {{until}} we meet; back on {day}, ")
    assert answer.endswith("at 09:00 (Vienna time)!")
    assert model.prompts == []
    assert len(await office.events("turn.away")) == 1
    assert await office.events("turn.answered") == []


async def test_hours_without_a_zone_are_of_the_tenants_and_there_is_a_sentence_for_who_wrote_none(
    office: Office, thinking: Thinking
) -> None:
    async with office.session() as session:
        (await session.scalars(select(Tenant))).one().time_zone = "Asia/Tokyo"
    await keep_hours(office, closed_now())

    answer = await Turn(office, thinking, await office.say()).answer()

    assert answer.startswith("I am not here right now. I am back on ")
    assert "(Tokyo time)" in answer


async def test_within_its_hours_it_answers(office: Office, thinking: Thinking, model: ScriptedModel) -> None:
    await keep_hours(office, ALWAYS)
    assert await Turn(office, thinking, await office.say()).answer() == "Hello!"
    assert len(model.prompts) == 1


async def test_whoever_asks_for_a_person_gets_one_by_the_desks_hours(office: Office, thinking: Thinking) -> None:
    await rules(office, rule({"asked_for_human": True}))
    await keep_hours(office, closed_now())
    thought = await Turn(office, thinking, await office.say("Please give me a human")).think()
    assert thought.decision == "handed_off"
