"""Very many turns at once, on a budget that has room for some of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.thinking import Thinking
from konstruct.contracts.conversation import ThinkRequest
from konstruct.db import Database
from konstruct.errors import ModelsUnavailable
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.settings import Settings, needed
from konstruct.tables import Usage
from konstruct.vault import Vault
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools, RecordingMessenger, ScriptedModel
from tests.support.months import holds, ledger, plan, spent
from tests.support.office import Office, open_office

TURNS: Final = 200
ROOM: Final = 50
OF_ONE: Final = Decimal("0.00342")
"""What a turn costs here: 1,000 tokens of a prompt, 400 of them cached, and 100 of the answer."""
LONGEST_WAIT: Final = timedelta(minutes=5)
"""For a connection of the pool: so many want one at once."""


@pytest.fixture
async def office(settings: Settings, vault: Vault) -> AsyncIterator[Office]:
    database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"), longest_wait=LONGEST_WAIT)
    yield await open_office(database, vault, models=["anthropic/claude-sonnet-4-6"])
    await database.close()


@pytest.mark.timeout(300)
async def test_many_turns_at_once_spend_no_more_than_the_budget_and_nearly_all_of_it(
    office: Office, model: ScriptedModel, messenger: RecordingMessenger
) -> None:
    budget = ROOM * OF_ONE
    saying = (office.say("Hello?", root=f"{number}.0", contact=f"U{number}") for number in range(TURNS))
    asked = await asyncio.gather(*saying)
    await plan(office, business=str(budget.quantize(Decimal("0.01"))), when_spent="pause")
    thinking = Thinking(
        Settings(anthropic_api_key=SecretStr("sk-ant-canary"), turn_budget_seconds=120),
        *(office.database, office.vault, model, NothingCools(), {"slack": messenger}, KeptWindows()),
        GivenEmbedders({}),
    )

    async def turn(of: Accepted) -> str:
        request = ThinkRequest(office.tenant_id, of.conversation_id, new_id(), [of.message_id])
        while True:
            try:
                thought = await ActivityEnvironment().run(thinking.think, request)
            except ModelsUnavailable:
                # As its workflow does, after a while.
                continue
            [reply] = thought.reply_ids
            return (await office.message(reply)).purpose

    became = Counter(await asyncio.gather(*map(turn, asked)))
    assert became.total() == TURNS
    assert became["reply"] >= ROOM - 5
    total = await ledger(office)
    assert total == became["reply"] * OF_ONE
    assert total <= budget + OF_ONE
    assert await spent(office) == {"business": total, str(office.employee_id): total}
    assert await holds(office) == []
    assert len(await office.rows(Usage)) == len(model.prompts) == became["reply"]
    # Nobody is forgotten: who got no answer is told so, and waits for one.
    states = Counter(message.state for message in await office.messages("inbound"))
    assert states == {"taken": became["reply"], "received": became["notice"]}
