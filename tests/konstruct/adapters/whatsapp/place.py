"""A number of the pretended WhatsApp, and conversations with people there, as adapters are given them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from konstruct.adapters.whatsapp_calls import ACCESS_TOKEN
from konstruct.identity import ConnectionId, MessageId, TenantId, new_id
from konstruct.ports import ChannelAccount, Outgoing, Thread
from tests.support.graph_double import Number, Person


def account_of(number: Number) -> ChannelAccount:
    return ChannelAccount(
        tenant_id=TenantId(new_id()),
        connection_id=ConnectionId(new_id()),
        kind="whatsapp",
        is_active=True,
        team_id="",
        bot_user_id="",
        bot_id="",
        secrets={ACCESS_TOKEN: SecretStr(number.token)},
        external=number.external(),
    )


def thread_with(number: Number, person: Person, latest: str = "") -> Thread:
    return Thread(number.phone_number_id, person.key, person.key, latest)


def outgoing(text: str = "Hello *you*", **more: Any) -> Outgoing:
    return Outgoing(MessageId(uuid4()), text, "Ada", "Support", datetime.now(UTC), **more)
