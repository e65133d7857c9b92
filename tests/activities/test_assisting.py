"""What models write for people: packets, drafts and summaries, and what people get where no model can."""

import json
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.assisting import UNPAID, Assisting
from konstruct import contacts, outbox
from konstruct.contracts.handoffs import AssistRequest, HandoffState
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.handoffs import cards, entries
from konstruct.handoffs.cards import Written
from konstruct.inbox import Accepted
from konstruct.ports import ChatMessage, ModelCallError
from konstruct.settings import Settings
from konstruct.tables import Usage
from konstruct.vault import Vault
from tests.support.doubles import NothingCools, ScriptedModel
from tests.support.handoffs import GRACE, an_origin, entry_row, hand_back, handoff_row, note, owned, seat, write
from tests.support.months import holds, ledger, plan, spend_all, spent
from tests.support.office import Office
from tests.support.workshop import set_tenant

ANSWER = {"summary": "They want a bell.", "tried": "Looked for bells.", "suggestion": "Here is a bell."}


@pytest.fixture
async def asked(office: Office) -> Accepted:
    await seat(office)
    return await office.exchange("Have you got bells?", "I do not know.")


@pytest.fixture
async def handoff_id(office: Office, asked: Accepted) -> UUID:
    return await owned(office, asked)


@pytest.fixture
def assisting(database: Database, vault: Vault, model: ScriptedModel) -> Assisting:
    settings = Settings(
        anthropic_api_key=SecretStr("sk-ant-canary"),
        openai_api_key=SecretStr("sk-canary"),
        local_model_base_url="http://127.0.0.1:9/v1",
    )
    return Assisting(settings, database, vault, model, NothingCools())


async def pack(assisting: Assisting, office: Office, handoff_id: UUID) -> Written:
    await ActivityEnvironment().run(assisting.pack_handoff, HandoffState(office.tenant_id, handoff_id))
    handoff = await handoff_row(office, handoff_id)
    async with office.session() as session:
        return cards.written(handoff, await office.vault.cipher(session, office.tenant_id, handoff.contact_id))


async def want(office: Office, handoff_id: UUID, kind: str = "draft") -> UUID:
    async with office.session() as session:
        return await entries.ask(session, handoff_id, GRACE, kind, an_origin())  # type: ignore[arg-type]


async def assist(assisting: Assisting, office: Office, entry_id: UUID) -> tuple[str, str]:
    """The state of the entry, and what stands in it."""
    await ActivityEnvironment().run(assisting.assist_agent, AssistRequest(office.tenant_id, entry_id))
    async with office.session() as session:
        return (await entries.get(session, entry_id)).state, await entries.text(session, office.vault, entry_id)


async def test_what_is_given_up_says_so_and_what_was_written_stands(
    office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
) -> None:
    model.script("Dear friend")
    given_up, written = await want(office, handoff_id), await want(office, handoff_id)
    await assist(assisting, office, written)
    states = []
    for entry_id in (given_up, written):
        await ActivityEnvironment().run(assisting.give_up_assisting, AssistRequest(office.tenant_id, entry_id))
        states.append((await entry_row(office, entry_id)).state)
    assert states == ["failed", "kept"]


def shown(prompts: Sequence[Sequence[ChatMessage]]) -> str:
    [prompt] = prompts
    return "\n".join(message.content for message in prompt)


class TestPackets:
    async def test_a_model_writes_it_from_the_record(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        model.script(json.dumps(ANSWER))
        assert await pack(assisting, office, handoff_id) == Written(**ANSWER)
        prompt = shown(model.prompts)
        for part in ("The contact asked for a person.", "person: Have you got bells?", "AI employee: I do not know."):
            assert part in prompt
        handoff = await handoff_row(office, handoff_id)
        assert b"bell" not in (handoff.sealed_packet or b"")

    async def test_what_it_costs_is_on_record(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        model.script(json.dumps(ANSWER))
        await pack(assisting, office, handoff_id)
        [used] = await office.rows(Usage)
        assert (used.purpose, used.outcome) == ("packet", "ok")
        assert used.cost is not None
        assert used.cost > Decimal(0)

    @pytest.mark.parametrize(
        ("answer", "written"),
        [
            (f"Sure!\n```json\n{json.dumps(ANSWER)}\n```", Written(**ANSWER)),
            ('{"summary": "S", "odd": 1}', Written("S")),
            ('{"summary": 7}', Written('{"summary": 7}')),
            ("They want a bell.", Written("They want a bell.")),
            ("{" * 5_000, Written("{" * 3_000)),
            ("[" * 40_000 + "{}", Written("")),
            (json.dumps({"summary": "x" * 5_000}), Written("x" * 3_000)),
        ],
    )
    async def test_an_answer_in_another_form_is_for_people_all_the_same(
        self,
        office: Office,
        handoff_id: UUID,
        assisting: Assisting,
        model: ScriptedModel,
        answer: str,
        written: Written,
    ) -> None:
        model.script(answer)
        assert await pack(assisting, office, handoff_id) == written

    async def test_what_the_employee_was_about_to_say_is_kept_as_the_suggestion(
        self, office: Office, assisting: Assisting, model: ScriptedModel
    ) -> None:
        await seat(office)
        asked = await office.say("And horns?")
        parts = await office.answer(asked, "We have horns.", "They are loud.")
        handoff_id = await owned(office, asked)
        assert [(await office.message(part)).state for part in parts] == ["discarded", "discarded"]
        model.script(json.dumps(ANSWER))
        packed = await pack(assisting, office, handoff_id)
        assert packed == Written(ANSWER["summary"], ANSWER["tried"], "We have horns.\n\nThey are loud.")

    async def test_what_was_being_sent_and_did_not_arrive_is_kept_so_too(
        self, office: Office, assisting: Assisting, model: ScriptedModel
    ) -> None:
        await seat(office)
        asked = await office.say("And horns?")
        [reply] = await office.answer(asked, "We have horns.")
        await office.begin_send(asked, reply)
        handoff_id = await owned(office, asked)
        async with office.session() as session:
            await outbox.settle_unsent(session, asked.conversation_id, reply)
        model.script(json.dumps(ANSWER))
        assert (await pack(assisting, office, handoff_id)).suggestion == "We have horns."

    async def test_where_no_model_answers_it_is_an_excerpt(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        await office.say("And horns?")
        model.script(ModelCallError("server", "It is down."))
        assert await pack(assisting, office, handoff_id) == Written("Have you got bells?\nAnd horns?")

    async def test_a_small_model_is_not_asked(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        await set_tenant(office, models=["local/smollm2"])
        assert (await pack(assisting, office, handoff_id)).summary == "Have you got bells?"
        assert (model.prompts, await office.rows(Usage)) == ([], [])

    async def test_of_who_was_erased_nothing_is_written(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        contact_id = (await handoff_row(office, handoff_id)).contact_id
        async with office.session() as session:
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")
        with pytest.raises(NotFound):
            await pack(assisting, office, handoff_id)
        assert model.prompts == []

    async def test_what_comes_back_after_the_erasure_is_not_kept(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        contact_id = (await handoff_row(office, handoff_id)).contact_id
        environment = ActivityEnvironment()
        model.may_answer = _Erasing(office, contact_id)  # type: ignore[assignment]
        model.script(json.dumps(ANSWER))
        await environment.run(assisting.pack_handoff, HandoffState(office.tenant_id, handoff_id))
        assert (await handoff_row(office, handoff_id)).sealed_packet is None


class _Erasing:
    """Before a model goes on to answer, the contact is erased."""

    def __init__(self, office: Office, contact_id: UUID) -> None:
        self._office, self._contact_id = office, contact_id

    async def wait(self) -> None:
        async with self._office.session() as session:
            await contacts.erase(session, self._office.tenant_id, self._contact_id, actor="test")


class TestDraftsAndSummaries:
    @pytest.mark.parametrize("kind", ["draft", "summary"])
    async def test_a_model_writes_what_an_agent_asked_for(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel, kind: str
    ) -> None:
        await write(office, handoff_id, "One moment, please.")
        await note(office, handoff_id, "They are an old customer.")
        model.script("Here is a bell.")
        assert await assist(assisting, office, await want(office, handoff_id, kind)) == ("kept", "Here is a bell.")
        prompt = shown(model.prompts)
        for part in (GRACE.name, "colleague: One moment, please.", "note by Grace Hopper: They are an old customer."):
            assert part in prompt
        [used] = await office.rows(Usage)
        assert used.purpose == "assist"

    async def test_a_draft_goes_to_nobody_by_itself(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        model.script("Canary draft")
        await assist(assisting, office, await want(office, handoff_id))
        assert "Canary draft" not in [message.body for message in await office.messages()]

    async def test_where_no_model_answers_a_draft_fails_and_a_summary_is_an_excerpt(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        model.script(ModelCallError("server", "It is down."))
        assert await assist(assisting, office, await want(office, handoff_id)) == ("failed", "")
        wanted = await want(office, handoff_id, "summary")
        assert await assist(assisting, office, wanted) == ("kept", "Have you got bells?")

    async def test_an_empty_answer_is_none(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        model.script(" ")
        assert (await assist(assisting, office, await want(office, handoff_id)))[0] == "failed"

    async def test_what_was_written_is_not_written_again(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        model.script("First", "Second")
        entry_id = await want(office, handoff_id)
        await assist(assisting, office, entry_id)
        assert await assist(assisting, office, entry_id) == ("kept", "First")
        assert len(model.prompts) == 1

    async def test_what_was_asked_for_before_it_was_over_is_written_all_the_same(
        self, office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
    ) -> None:
        model.script("In time")
        entry_id = await want(office, handoff_id)
        await hand_back(office, handoff_id)
        assert await assist(assisting, office, entry_id) == ("kept", "In time")
        assert (await entry_row(office, entry_id)).posted_at is None


async def test_where_no_budget_is_left_it_says_so_and_a_summary_is_an_excerpt(
    office: Office, asked: Accepted, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
) -> None:
    await spend_all(office, asked)
    assert await assist(assisting, office, await want(office, handoff_id)) == ("failed", UNPAID)
    state, summary = await assist(assisting, office, await want(office, handoff_id, "summary"))
    assert (state, "bells" in summary) == ("kept", True)
    written = await pack(assisting, office, handoff_id)
    assert "bells" in written.summary
    assert model.prompts == []


async def test_what_is_written_for_people_is_counted(
    office: Office, handoff_id: UUID, assisting: Assisting, model: ScriptedModel
) -> None:
    await plan(office, business="5")
    model.script("Dear friend")
    assert (await assist(assisting, office, await want(office, handoff_id)))[0] == "kept"
    assert await holds(office) == []
    assert (await spent(office))["business"] == await ledger(office) > 0
