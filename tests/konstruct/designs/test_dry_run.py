"""Rules tried on the past: on whose conversations, the latest first, and nothing comes of it."""

from konstruct.designs import dry_run
from konstruct.escalation import rules
from konstruct.tables import Handoff
from tests.konstruct.designs.studio import Studio

REFUNDS = rules.read(
    [{"name": "refunds", "when": {"keyword": ["refund"]}, "then": {"hand_off": {"priority": "normal"}}}]
)


async def test_the_latest_conversations_are_told_of_with_what_would_have_fired(studio: Studio) -> None:
    office = studio.office
    await office.exchange("I want a refund", root="1.0")
    await office.exchange("Thank you!", root="2.0", contact="U2")
    where = (office.database, office.vault, office.tenant_id, REFUNDS)

    ran = await dry_run.over_past(*where, office.employee_id)

    assert [[turn.fired for turn in past.fired] for past in ran.conversations] == [[], ["refunds"]]
    assert [past.turns for past in ran.conversations] == [1, 1]
    assert ran.left_out == 0
    assert await office.rows(Handoff) == []
    key = await studio.hire()
    other = (await studio.read(key)).employee_id
    assert (await dry_run.over_past(*where, other)).conversations == []
    assert len((await dry_run.over_past(*where)).conversations) == 2
