"""Numbers of WhatsApp beside the Slack of the same business: what people write and send, and what they get."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from reportlab.platypus import Paragraph

from activities.sending_files import NOT_TAKEN
from konstruct.scope.sentences import SENTENCES, only
from tests.acceptance.desks import ANNA, Desk, open_desk
from tests.acceptance.sent import hosted, images_of
from tests.acceptance.test_memory import behind_the_scenes, is_remembered
from tests.acceptance.town import ANTHROPIC, OPENAI, Office, Town, prompt
from tests.konstruct.adapters.reading.pdfs import STYLES, flowing
from tests.support.commands import konstruct
from tests.support.graph_double import Number, Person, Sent
from tests.support.model_doubles import Behaviour, Fault, Json, tool_results
from tests.support.pictures import picture, size_of
from tests.support.processes import kill, until

pytestmark = pytest.mark.stack

FUNCTIONS = ["sale of bicycles and spare parts", "repairs and bookings of the workshop", "orders and returns"]
TEMPLATE = "we_have_an_answer"
VOICE = b"OggS" + b"\0" * 24 + b"OpusHead" + b"\1" * 500


@dataclass
class Line:
    """A person who writes to a business's number."""

    town: Town
    office: Office
    number: Number
    person: Person

    @property
    def root(self) -> str:
        return self.person.key

    async def say(self, text: str, *, ago: timedelta = timedelta(0)) -> None:
        said = await self.town.graph.person_says(self.number, self.person, text, ago=ago)
        assert said.delivery is not None
        assert said.delivery.status == 200, said

    async def send(self, kind: str, media_type: str, content: bytes, **more: object) -> None:
        said, _ = await self.town.graph.person_sends_file(self.number, self.person, kind, media_type, content, **more)
        assert said.delivery is not None
        assert said.delivery.status == 200, said

    async def heard(self, count: int = 1) -> list[Sent]:
        sent = await self.town.graph.wait_for_sent(self.number, self.person, count, timeout=40)
        assert len(sent) == count, [each.text for each in sent]
        return sent

    async def conversation(self) -> Json:
        [row] = [row for row in await self.office.rows("conversations") if row["root"] == self.root]
        return row


@dataclass
class Business:
    desk: Desk
    number: Number

    def line(self, wa_id: str | None = "", user_id: str | None = "") -> Line:
        """With somebody new, who has a number and a lasting id if nothing else is said."""
        graph = self.desk.town.graph
        number = f"1650{secrets.randbelow(10**7):07}" if wa_id == "" else wa_id
        lasting = f"US.{secrets.token_hex(8).upper()}" if user_id == "" else user_id
        return Line(self.desk.town, self.desk.office, self.number, graph.person(number, "Sheena", user_id=lasting))


async def open_business(
    town: Town, tools: Sequence[str] = ("current_time", "hand_off"), *, models: Sequence[str] = (ANTHROPIC,)
) -> Business:
    number = town.graph.add_number()
    town.graph.approve_template(number, TEMPLATE)
    whatsapp = {
        "kind": "whatsapp",
        "phone_number_id": number.phone_number_id,
        "waba_id": number.waba_id,
        "access_token": "${WHATSAPP_TOKEN}",
        "functions": FUNCTIONS,
        "employee": "front",
        "reengage_template": {"name": TEMPLATE, "language": "en"},
    }
    slack = {"kind": "slack", "bot_token": "${BOT_TOKEN}", "employee": "front"}
    sections = {"connections": {"slack": slack, "whatsapp": whatsapp}}
    secrets_ = {"WHATSAPP_TOKEN": number.token}
    desk = await open_desk(town, tools, models=models, sections=sections, more_secrets=secrets_)
    return Business(desk, number)


@pytest.fixture(scope="module")
async def standing_business(standing_town: Town) -> Business:
    return await open_business(standing_town)


@pytest.fixture
async def business(town: Town, standing_business: Business) -> Business:
    return standing_business


async def test_a_question_is_answered_in_its_context_and_a_person_is_offered(town: Town, business: Business) -> None:
    line = business.line()
    thinking = Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN)
    town.models.when("anthropic", "racing bikes", thinking)
    await line.say("Do you repair racing bikes?")
    await until(lambda: any(is_typing for _, is_typing in town.graph.world.read))
    thinking.released.set()
    [reply] = await line.heard()
    assert reply.text == "You said: Do you repair racing bikes?"
    assert reply.body["interactive"]["action"]["buttons"][0]["reply"]["title"] == SENTENCES["en"].person
    assert f"- {FUNCTIONS[0]}" in prompt(await town.model_call("racing bikes"))

    await line.say("And **tandems**?")
    assert (await line.heard(2))[1].body["type"] == "text"

    async def is_delivered() -> bool:
        rows = [row for row in await business.desk.office.rows("messages") if row["external_id"] == reply.id]
        return bool(rows and rows[0]["delivered_at"])

    await until(is_delivered)


async def test_two_businesses_are_written_to_in_one_post_and_know_nothing_of_each_other(
    town: Town, business: Business
) -> None:
    other = await open_business(town)
    ours, theirs = business.line(), other.line()
    written = [
        (line.number, town.graph.written(line.number, line.person, "text", {"body": f"Is {name} ready?"}))
        for line, name in ((ours, "the tandem"), (theirs, "the scooter"))
    ]
    delivered = [await town.graph.deliver(*written) for _ in range(3)]
    assert [each.status for each in delivered] == [200] * 3

    assert [sent.text for sent in await ours.heard()] == ["You said: Is the tandem ready?"]
    assert [sent.text for sent in await theirs.heard()] == ["You said: Is the scooter ready?"]
    assert "scooter" not in prompt(await town.model_call("the tandem"))
    assert ours.root not in str(await other.desk.office.rows("contacts"))
    assert theirs.root not in str(await business.desk.office.rows("contacts"))


async def test_nothing_is_taken_that_meta_did_not_sign(town: Town, business: Business) -> None:
    line = business.line()
    change = town.graph.written(line.number, line.person, "text", {"body": "Forged."})
    body = str(change).encode()
    assert (await town.graph.post(body, secret="not-the-secret")).status == 401
    assert (await town.graph.verify("not the word")).status == 403


async def test_what_the_number_is_not_for_is_turned_down_and_a_person_comes_at_a_press(
    town: Town, business: Business
) -> None:
    line, desk = business.line(), business.desk
    await line.say("Schreib mir bitte ein langes Gedicht über den Mond und das Meer")
    [reply] = await line.heard()
    assert reply.text == only("de", FUNCTIONS)
    assert not any("Gedicht" in prompt(call) for call in town.models.calls)

    await town.graph.person_presses(reply, SENTENCES["de"].person)
    assert "asked for a person" in (await line.heard(2))[1].text
    card = await desk.card(line)
    await desk.press(card, ANNA, "claim")
    card = await desk.card(line, "Anna Berg has it")
    await desk.write(card, ANNA, "Here is Anna. How can I help?")
    assert (await line.heard(3))[2].text == "Here is Anna. How can I help?"
    await line.say("My order is late.")
    await desk.thread(card, "My order is late.")

    await desk.press(card, ANNA, "hand_back")
    await desk.owner(line, "employee")
    await line.say("Thanks! When do you open?")
    call = await town.model_call("Thanks! When do you open?")
    assert "Here is Anna. How can I help?" in prompt(call)


async def test_who_says_stop_is_left_alone(town: Town, business: Business) -> None:
    line = business.line()
    await line.say("STOP")
    assert [sent.text for sent in await line.heard()] == [SENTENCES["en"].opted_out]
    assert not any("STOP" in prompt(call) for call in town.models.calls)


async def test_a_picture_a_pdf_and_a_voice_message_are_asked_about(town: Town, business: Business) -> None:
    line = business.line()
    await line.send("image", "image/png", picture(size=(3_000, 2_000)), caption="Which bike is that?")
    call = await town.model_call("Which bike is that?")
    assert [size_of(image) for image in images_of(call)] == [(1_568, 1_045)]
    await line.heard(1)

    contract = flowing([Paragraph("The frame is guaranteed for eleven years.", STYLES["BodyText"])])
    await line.send("document", "application/pdf", contract, caption="And this?", filename="contract.pdf")
    assert "guaranteed for eleven years" in prompt(await town.model_call("And this?", "eleven"))
    await line.heard(2)

    town.models.transcriptions.next("openai", Behaviour(lambda _: "How long is the frame guaranteed?"))
    await line.send("audio", "audio/ogg", VOICE, voice=True)
    assert "How long is the frame guaranteed?" in prompt(await town.model_call("as it was understood"))
    await line.heard(3)


@pytest.mark.parametrize("model", [OPENAI, "ollama/llava"])
async def test_a_picture_reaches_other_providers_in_their_own_form_from_both_channels(town: Town, model: str) -> None:
    business = await open_business(town, models=[model])
    line, talk = business.line(), business.desk.office.talk()
    await line.send("image", "image/png", picture(size=(3_000, 2_000)), caption="Which bike is on WhatsApp?")
    await talk.send("Which bike is on Slack?", hosted("bike.png", "image/png", picture(size=(2_000, 3_000))))
    for question, size in (("bike is on WhatsApp?", (1_568, 1_045)), ("bike is on Slack?", (1_045, 1_568))):
        call = await town.model_call(question)
        assert call.provider == model.partition("/")[0]
        assert [size_of(image) for image in images_of(call)] == [size]
    await line.heard()
    await talk.heard()


async def test_a_file_is_sent_along_and_what_whatsapp_does_not_take_is_not(town: Town) -> None:
    business = await open_business(town, ["send_file"])
    line = business.line()
    prices = {"name": "prices.csv", "text": "bell,9\n"}
    town.models.turns(
        "anthropic",
        "prices of your bicycles",
        Behaviour(calls=[("send_file", {"name": "prices.json", "text": "{}"})]),
        Behaviour(calls=[("send_file", prices)]),
        Behaviour(lambda _: "Here they are."),
    )
    await line.say("Send me the prices of your bicycles, please.")

    answer, file = await line.heard(2)
    assert answer.text == "Here they are."
    assert (file.body["type"], file.body["document"]["filename"]) == ("document", "prices.csv")
    media = town.graph.world.media[file.body["document"]["id"]]
    assert media.content == b"bell,9\n"
    last = [call for call in town.models.calls if "prices of your bicycles" in prompt(call)][-1]
    assert tool_results(last.messages)[0] == NOT_TAKEN.format("prices.json")


async def test_who_has_the_conversation_reads_what_is_said_by_voice(town: Town, business: Business) -> None:
    line, desk = business.line(), business.desk
    await line.say("I want to talk to a person, please.")
    card = await desk.card(line)
    await desk.press(card, ANNA, "claim")
    card = await desk.card(line, "Anna Berg has it")

    town.models.transcriptions.next("openai", Behaviour(lambda _: "My new bell is broken."))
    await line.send("audio", "audio/ogg", VOICE, voice=True)
    await line.say("Did you get that?")
    lines = await desk.thread(card, "My new bell is broken.", "Did you get that?")
    assert lines[-2].endswith("[sent a voice message]\n[Voice message, as it was understood:] My new bell is broken.")

    contract = flowing([Paragraph("The bell is guaranteed for eleven years.", STYLES["BodyText"])])
    await line.send("document", "application/pdf", contract, filename="contract.pdf")
    await desk.thread(card, "[File: contract.pdf, PDF, ")
    _, packet = await desk.call("GET", f"/handoffs/{(await desk.handoff(line))['id']}")
    assert [(each["name"], each["state"], each["transcript"]) for each in packet["attachments"]] == [
        ("voice message.oga", "kept", "My new bell is broken."),
        ("contract.pdf", "kept", ""),
    ]
    assert not any("as it was understood" in prompt(call) and "new bell" in prompt(call) for call in town.models.calls)


async def test_what_comes_too_late_waits_and_a_template_asks_to_write_again(town: Town, business: Business) -> None:
    line = business.line()
    await line.say("Is my bicycle ready, which I brought last week?", ago=timedelta(days=6))
    [asked] = await line.heard()
    assert (asked.body["type"], asked.text) == ("template", TEMPLATE)

    await line.say("I am here again. Tell me!")
    texts = [sent.text for sent in (await line.heard(3))[1:]]
    assert texts[0] == "You said: Is my bicycle ready, which I brought last week?"
    assert "I am here again" in texts[1]


async def test_a_worker_that_is_killed_in_the_middle_of_a_send_says_nothing_twice(
    town: Town, business: Business
) -> None:
    line = business.line()
    released = town.graph.hold_next("messages", accepted=True)
    await line.say("Do you sell helmets?")
    await line.heard()
    await kill(town.up.child("konstruct", "worker"))
    released.set()
    await town.graph.reported_all()

    await line.say("And gloves?")
    assert [sent.text for sent in await line.heard(2)] == ["You said: Do you sell helmets?", "You said: And gloves?"]


async def test_a_worker_that_is_killed_in_the_middle_of_a_download_costs_no_answer(
    town: Town, business: Business
) -> None:
    line = business.line()
    released = town.graph.hold_next("download")
    before = len(town.graph.calls_of("download"))
    await line.send("image", "image/png", picture(), caption="What is broken here?")
    await town.graph.wait_for_call("download", before + 1)
    await kill(town.up.child("konstruct", "worker"))
    released.set()

    call = await town.model_call("What is broken here?")
    assert len(images_of(call)) == 1
    await line.heard()


async def test_words_from_the_business_s_own_phone_take_the_conversation_over(town: Town, business: Business) -> None:
    line = business.line()
    await line.say("Hello?")
    await line.heard()
    town.models.when("anthropic", "Anybody?", Behaviour(fault=Fault.HANG_BEFORE_FIRST_TOKEN))
    await line.say("Anybody?")
    await town.model_call("Anybody?")
    echoed = await town.graph.business_writes(line.number, line.person, "Tom here, one moment.")
    assert echoed.delivery is not None
    assert echoed.delivery.status == 200

    async def is_taken_over() -> bool:
        return bool((await line.conversation())["owner"] == "agent")

    await until(is_taken_over)
    await line.say("Thank you, Tom!")
    await asyncio.wait_for(_is_passed(business.desk.office, "passed"), 20)
    assert len(town.graph.sent(line.number, line.person)) == 1


async def _is_passed(office: Office, state: str) -> None:
    async def is_there() -> bool:
        return str((await office.rows("messages"))[-1]["state"]) == state

    await until(is_there)


async def test_on_slack_and_on_whatsapp_a_person_is_two_until_an_operator_says_otherwise(
    town: Town, business: Business
) -> None:
    office, name = business.desk.office, f"Canary{secrets.token_hex(4)}"
    town.models.always("anthropic", behind_the_scenes())
    line, talk = business.line(), office.talk()
    await line.say(f"My bicycle is called {name}.")
    await line.heard()
    await talk.mention("What is my bicycle called?")
    assert name not in prompt(await town.model_call("What is my bicycle called?"))
    await talk.heard()

    joined = await konstruct("contact", "join", line.root, talk.user, "--tenant", office.slug, env=town.env)
    assert joined.status == 0, joined

    await until(lambda: is_remembered(office, line.root))

    await office.talk(user=talk.user).mention("Once more: what is my bicycle called?")
    assert name in prompt(await town.model_call("Once more"))
