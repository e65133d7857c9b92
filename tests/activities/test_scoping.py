"""Turns on a connection that is for certain things alone: what is turned down, and that a person can always be had."""

from collections.abc import Sequence

import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.scoping import OFFERED_EVERY
from activities.thinking import Thinking
from konstruct.contracts.conversation import ThinkRequest
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.messages import SentFile
from konstruct.outgoing import Send
from konstruct.ports import Button
from konstruct.scope.sentences import SENTENCES, only
from konstruct.settings import Settings
from konstruct.tables import Usage
from konstruct.vault import Vault
from tests.activities.escalations import HAND_OFF, TELL, converse, handoffs, owner, reason, rule, rules
from tests.activities.scopes import FUNCTIONS, ORDER, POEM, name_functions, thinking_with_meaning
from tests.activities.turns import Turn
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools, RecordingMessenger, ScriptedModel
from tests.support.office import Office

PERSON = Button("person", "Talk to a person")


@pytest.fixture
async def bounded(office: Office) -> Office:
    await name_functions(office, *FUNCTIONS)
    return office


@pytest.fixture
def thinking(database: Database, vault: Vault, model: ScriptedModel, messenger: RecordingMessenger) -> Thinking:
    settings = Settings(anthropic_api_key=SecretStr("sk-ant-canary"), local_model_base_url="http://127.0.0.1:9/v1")
    return thinking_with_meaning(settings, database, vault, model, messenger)


async def offered(office: Office, turn: Turn) -> Sequence[Button]:
    """What stands below the answer to a turn, as the channel is given it."""
    *_, reply_id = (await turn.think()).reply_ids
    begun = await office.begin_send(turn.asked, reply_id)
    assert isinstance(begun, Send)
    await office.settle_sent(turn.asked, reply_id)
    return begun.message.buttons


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (POEM, "en"),
        ("Schreib mir bitte ein Gedicht über den Mond und das Meer", "de"),
        ("给我写一首关于月亮的诗", "zh"),
    ],
)
async def test_what_is_clearly_foreign_is_turned_down_in_its_language_without_a_model(
    bounded: Office, thinking: Thinking, model: ScriptedModel, text: str, language: str
) -> None:
    turn = Turn(bounded, thinking, await bounded.say(text))

    thought = await turn.think()

    assert (thought.decision, thought.showed_status) == ("reply", False)
    [reply_id] = thought.reply_ids
    assert (await bounded.message(reply_id)).body == only(language, FUNCTIONS)
    assert model.prompts == []
    assert await bounded.rows(Usage) == []
    begun = await bounded.begin_send(turn.asked, reply_id)
    assert isinstance(begun, Send)
    assert begun.message.buttons == (Button("person", SENTENCES[language].person),)
    [event] = await bounded.events("turn.out_of_scope")
    assert (event.detail["kind"], event.detail["turn_id"]) == ("writing", str(turn.id))
    assert text not in str(event.detail)
    assert await bounded.events("turn.answered") == []


async def test_a_repetition_is_answered_the_same_way_and_nobody_is_called(
    bounded: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    turn = await converse(bounded, thinking, POEM, POEM, POEM)
    replies = [message.body for message in await bounded.messages("outbound")]
    assert replies == [only("en", FUNCTIONS)] * 3
    assert (await owner(bounded, turn.asked), await handoffs(bounded), model.prompts) == ("employee", [], [])


async def test_a_redirect_is_no_question_that_what_comes_next_might_answer(
    bounded: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await converse(bounded, thinking, POEM, "Which planet is the largest one?")
    assert [message.body for message in await bounded.messages("outbound")] == [only("en", FUNCTIONS)] * 2


async def test_what_may_answer_a_question_of_the_employees_is_for_the_model(
    bounded: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    model.answer_of = lambda prompt: "Which one do you mean?"
    await converse(bounded, thinking, ORDER, "Which planet is the largest one?")
    assert len(model.prompts) == 2


async def test_an_attempt_that_is_repeated_finds_its_answer(bounded: Office, thinking: Thinking) -> None:
    turn = Turn(bounded, thinking, await bounded.say(POEM))
    first = await turn.think()
    again = await turn.think(attempt=2)
    assert (again.reply_ids, again.is_repeated, again.showed_status) == (first.reply_ids, True, True)


async def test_what_is_of_the_business_is_answered_by_a_model_that_knows_the_bounds(
    bounded: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    turn = Turn(bounded, thinking, await bounded.say(ORDER))
    assert await turn.answer() == "Hello!"
    [prompt] = model.prompts
    assert "nothing else:\n- sale of bicycles and spare parts\n- repairs" in prompt[0].content


async def test_a_connection_that_names_nothing_answers_everything(
    office: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    turn = Turn(office, thinking, await office.say(POEM))
    assert await offered(office, turn) == ()
    [prompt] = model.prompts
    assert "nothing else" not in prompt[0].content
    assert await office.events("turn.out_of_scope") == []


async def test_without_the_embedding_model_the_other_one_decides(
    bounded: Office, thinking: Thinking, model: ScriptedModel, database: Database, vault: Vault
) -> None:
    settings = Settings(anthropic_api_key=SecretStr("sk-ant-canary"), local_model_base_url="http://127.0.0.1:9/v1")
    messengers = {"slack": RecordingMessenger()}
    blind = Thinking(settings, database, vault, model, NothingCools(), messengers, KeptWindows(), GivenEmbedders({}))
    assert await Turn(bounded, blind, await bounded.say(POEM)).answer() == "Hello!"


async def test_a_foreign_request_beside_one_of_the_business_is_for_the_model(
    bounded: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    await bounded.say(ORDER)
    turn = Turn(bounded, thinking, await bounded.say("Tell me a joke as well, while I wait for it"))
    assert await turn.answer() == "Hello!"


async def test_what_comes_with_a_file_is_for_the_model(
    bounded: Office, thinking: Thinking, model: ScriptedModel
) -> None:
    files = (SentFile("moon.pdf", "application/pdf", 10, "https://files.example.com/1"),)
    asked = await bounded.say(POEM, files=files)
    request = ThinkRequest(
        bounded.tenant_id, asked.conversation_id, new_id(), [asked.message_id], 0, without_files=True
    )

    await ActivityEnvironment().run(thinking.think, request)

    assert [message.body for message in await bounded.messages("outbound")] == ["Hello!"]


async def test_a_person_is_offered_with_the_first_answer_and_with_each_tenth(
    bounded: Office, thinking: Thinking
) -> None:
    found = [
        await offered(bounded, Turn(bounded, thinking, await bounded.say(ORDER))) for _ in range(2 * OFFERED_EVERY)
    ]
    assert [number for number, buttons in enumerate(found, 1) if buttons] == [1, OFFERED_EVERY, 2 * OFFERED_EVERY]
    assert found[0] == (PERSON,)


@pytest.mark.parametrize("language", SENTENCES)
async def test_what_the_button_says_brings_a_person_without_any_rule(
    bounded: Office, thinking: Thinking, model: ScriptedModel, language: str
) -> None:
    turn = Turn(bounded, thinking, await bounded.say(SENTENCES[language].person))

    assert (await turn.think()).decision == "handed_off"

    [handoff] = await handoffs(bounded)
    assert (handoff.state, handoff.rule, handoff.target) == ("waiting", "asked-for-a-person", None)
    assert await reason(bounded, handoff) == "The contact asked for a person."
    assert model.prompts == []


async def test_a_rule_that_brings_people_comes_before_that(bounded: Office, thinking: Thinking) -> None:
    await rules(bounded, rule({"turns": 1}, TELL, "first"), rule({"asked_for_human": True}, HAND_OFF, "own"))
    turn = Turn(bounded, thinking, await bounded.say(PERSON.title))
    assert (await turn.think()).decision == "handed_off"
    [handoff] = await handoffs(bounded)
    assert (handoff.rule, handoff.target) == ("own", "support")


async def test_where_nothing_is_named_a_wish_is_for_rules_and_for_the_model(office: Office, thinking: Thinking) -> None:
    turn = Turn(office, thinking, await office.say(PERSON.title))
    assert await turn.answer() == "Hello!"
    assert await handoffs(office) == []
