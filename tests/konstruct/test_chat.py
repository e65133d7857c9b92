"""Talking from a terminal while a person has the conversation."""

import pytest
from temporalio.client import Client

from konstruct import chat
from konstruct.chat import Chat
from konstruct.errors import Unavailable
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Agent
from konstruct.tables import Conversation
from tests.support.office import Allowing, Office


async def test_who_writes_while_a_person_has_it_is_told_so(office: Office, temporal_client: Client) -> None:
    talk = Chat(office.database, office.vault, Allowing(), temporal_client, office.ref)
    with pytest.raises(Unavailable, match="is kept and will be answered"):
        await talk.say("Hello", patience=0.3)
    [conversation] = await office.rows(Conversation)
    async with office.session() as session:
        await owning.take_over(session, office.vault, conversation.id, Agent("grace", "Grace"))

    assert await talk.say("Is somebody there?", patience=0.3) == [("Konstruct", chat.PEOPLES)]
