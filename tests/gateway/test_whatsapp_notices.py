"""What WhatsApp tells besides messages: receipts, other names, words from the business's phone, wishes."""

import time

import pytest
from fastapi import FastAPI

from konstruct.identity import ConversationId, MessageId
from konstruct.inbox import Accepted
from konstruct.tables import Connection, Contact, Conversation
from tests.gateway.conftest import NewNumber, Quarantine
from tests.gateway.test_whatsapp_messages import of
from tests.support.whatsapp_posts import Json, Number, post, posted

WA_ID, BSUID = "16505551234", "US.13491208655302741918"


async def answered(number: Number, app: FastAPI) -> tuple[str, str]:
    """A conversation with an answer that was sent: our id of it and WhatsApp's."""
    await post(app, posted(number.messages(number.text("Hello?", wa_id=WA_ID, user_id=BSUID))))
    [message] = await number.office.messages()
    asked = Accepted(ConversationId(message.conversation_id), MessageId(message.id), is_new=True)
    [reply] = await number.office.answer(asked)
    await number.office.begin_send(asked, reply)
    return str(reply), f"sent-{reply}"


@pytest.mark.parametrize(("status", "has"), [("sent", 0), ("delivered", 1), ("read", 2), ("played", 2)])
async def test_a_status_says_how_far_a_message_came(
    hears_whatsapp: FastAPI, number: Number, status: str, has: int
) -> None:
    ours, wamid = await answered(number, hears_whatsapp)

    entry = number.status(wamid, status, biz_opaque_callback_data=ours)
    assert (await post(hears_whatsapp, posted(entry, entry))).status == 200
    [reply] = await number.office.messages("outbound")
    assert (reply.state, reply.external_id) == ("sent", wamid)
    assert [reply.delivered_at, reply.read_at].count(None) == 2 - has


async def test_a_failed_status_says_why(hears_whatsapp: FastAPI, number: Number) -> None:
    ours, wamid = await answered(number, hears_whatsapp)

    errors = [{"code": 131026, "title": "Message undeliverable"}]
    entry = number.status(wamid, "failed", biz_opaque_callback_data=ours, errors=errors)
    assert (await post(hears_whatsapp, posted(entry))).status == 200
    [reply] = await number.office.messages("outbound")
    assert (reply.state, reply.detail) == ("failed", {"error": "undeliverable"})


@pytest.mark.parametrize("given", ["", "not-an-id", "00000000-0000-7000-8000-000000000000", 7, None, ["x"]])
async def test_a_status_of_what_is_not_ours_is_ignored(
    hears_whatsapp: FastAPI, number: Number, quarantine: Quarantine, given: object
) -> None:
    entry = number.status("wamid.others", "delivered", biz_opaque_callback_data=given)

    assert (await post(hears_whatsapp, posted(entry))).status == 200
    assert await quarantine() == []


@pytest.mark.parametrize("shape", ["changed_user_id", "user_id_update"])
async def test_another_lasting_name_keeps_the_conversation(hears_whatsapp: FastAPI, number: Number, shape: str) -> None:
    await post(hears_whatsapp, posted(of(number, "text")))
    await post(hears_whatsapp, posted(of(number, shape)))

    [contact], [conversation] = await number.office.rows(Contact), await number.office.rows(Conversation)
    assert contact.external_id == conversation.root == "US.99991208655302741918"


async def test_another_number_keeps_the_conversation(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(hears_whatsapp, posted(of(number, "text_of_number")))
    await post(hears_whatsapp, posted(of(number, "changed_number")))

    [contact] = await number.office.rows(Contact)
    assert contact.external_id == "12195555358"
    await post(hears_whatsapp, posted(number.messages(number.text("New number", wa_id="12195555358"))))
    assert len(await number.office.conversations()) == 1


async def test_a_changed_security_code_is_on_record(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(hears_whatsapp, posted(of(number, "text")))
    await post(hears_whatsapp, posted(of(number, "changed_identity")))

    [event] = await number.office.events("contact.identity_changed")
    [contact] = await number.office.rows(Contact)
    assert event.subject_id == contact.id


@pytest.mark.parametrize(
    ("value", "action"), [("stop", "contact.marketing_stopped"), ("resume", "contact.marketing_resumed")]
)
async def test_who_wants_no_marketing_is_on_record(
    hears_whatsapp: FastAPI, number: Number, value: str, action: str
) -> None:
    await post(hears_whatsapp, posted(of(number, "text")))
    wish = {"wa_id": WA_ID, "category": "marketing_messages", "value": value}
    await post(hears_whatsapp, posted(number.entry(number.change({"user_preferences": [wish]}, "user_preferences"))))

    assert len(await number.office.events(action)) == 1


def echoed(number: Number, text: str, *, to: str = WA_ID) -> Json:
    said = {
        "id": number.wamid(),
        "from": "15550783881",
        "to": to,
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": text},
    }
    return number.entry(number.change({"message_echoes": [said]}, "smb_message_echoes"))


async def test_words_from_the_businesss_phone_take_the_conversation_over(
    hears_whatsapp: FastAPI, number: Number
) -> None:
    await post(hears_whatsapp, posted(number.messages(number.text("Hello?", wa_id=WA_ID, user_id=BSUID))))
    entry = echoed(number, "I am on it.")
    assert {(await post(hears_whatsapp, posted(entry, entry))).status for _ in range(2)} == {200}

    [conversation] = await number.office.conversations()
    assert (conversation.owner, conversation.agent) == ("agent", "Phone")
    said = [message for message in await number.office.messages("outbound") if message.author == "agent"]
    assert [(message.body, message.state) for message in said] == [("I am on it.", "sent")]


async def test_a_conversation_of_the_phones_own_is_not_ours(
    hears_whatsapp: FastAPI, number: Number, quarantine: Quarantine
) -> None:
    assert (await post(hears_whatsapp, posted(echoed(number, "Private", to="12025550000")))).status == 200

    assert await number.office.messages() == []
    assert await number.office.rows(Contact) == []
    assert await quarantine() == []


def told(number: Number, field: str, value: Json, at: float | None = None) -> Json:
    return {"id": number.waba_id, "time": int(at or time.time() + 1), "changes": [{"field": field, "value": value}]}


DISABLED: Json = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}
REINSTATED: Json = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}
NO_ANSWERS: Json = {
    "event": "ACCOUNT_RESTRICTION",
    "restriction_info": [{"restriction_type": "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"}],
}
NO_BEGINNINGS: Json = {
    "event": "ACCOUNT_RESTRICTION",
    "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"}],
}


async def status(number: Number) -> str:
    [connection] = await number.office.rows(Connection)
    return connection.status


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (DISABLED, "restricted"),
        (NO_ANSWERS, "restricted"),
        (NO_BEGINNINGS, "active"),
        ({"event": "ACCOUNT_DELETED"}, "uninstalled"),
        ({"event": "PARTNER_REMOVED"}, "uninstalled"),
        ({"event": "VERIFIED_ACCOUNT"}, "active"),
        ({"event": {"odd": 1}, "ban_info": 7, "restriction_info": "x"}, "active"),
    ],
)
async def test_a_business_that_may_send_no_more_is_marked(
    hears_whatsapp: FastAPI, number: Number, new_number: NewNumber, value: Json, becomes: str
) -> None:
    other = await new_number()
    assert (await post(hears_whatsapp, posted(told(number, "account_update", value)))).status == 200

    assert await status(number) == becomes
    assert await status(other) == "active"
    assert len(await number.office.events("connection.account_update")) == (becomes == "active")


async def test_a_business_that_may_send_again_does(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(hears_whatsapp, posted(told(number, "account_update", DISABLED)))
    await post(hears_whatsapp, posted(told(number, "account_update", REINSTATED)))
    assert await status(number) == "active"

    await post(hears_whatsapp, posted(told(number, "account_update", {"event": "ACCOUNT_DELETED"})))
    await post(hears_whatsapp, posted(told(number, "account_update", REINSTATED)))
    assert await status(number) == "uninstalled"


async def test_old_news_says_nothing_of_a_connection_that_was_made_since(
    hears_whatsapp: FastAPI, number: Number
) -> None:
    await post(hears_whatsapp, posted(told(number, "account_update", DISABLED, time.time() - 3_600)))

    assert await status(number) == "active"


async def test_whoever_holds_one_tenants_secret_marks_no_other_tenants_number(
    hears_whatsapp: FastAPI, new_number: NewNumber, number: Number
) -> None:
    own = await new_number(app_secret="their-own")
    body = posted(told(number, "account_update", DISABLED), told(own, "account_update", DISABLED))
    await post(hears_whatsapp, body, path=f"/whatsapp/{own.phone_number_id}", secret="their-own")

    assert (await status(number), await status(own)) == ("active", "restricted")


async def test_how_numbers_and_templates_fare_is_on_record(hears_whatsapp: FastAPI, number: Number) -> None:
    paused = {"event": "PAUSED", "message_template_name": "we_have_an_answer", "message_template_id": 7}
    flagged = {"event": "FLAGGED", "display_phone_number": "15550783881", "current_limit": "TIER_1K"}
    body = posted(
        told(number, "message_template_status_update", paused),
        told(number, "phone_number_quality_update", flagged),
        told(number, "something_new", {"event": "NEW"}),
    )

    assert (await post(hears_whatsapp, body)).status == 200
    [template] = await number.office.events("connection.message_template_status_update")
    assert (template.detail["event"], template.detail["template"]) == ("PAUSED", "we_have_an_answer")
    [quality] = await number.office.events("connection.phone_number_quality_update")
    assert (quality.detail["event"], quality.detail["limit"]) == ("FLAGGED", "TIER_1K")
