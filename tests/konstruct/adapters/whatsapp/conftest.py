"""A number of the pretended WhatsApp, and a person who has just written to it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.adapters.whatsapp_files import WhatsAppFiles
from konstruct.ports import ChannelAccount, Thread
from tests.konstruct.adapters.whatsapp.place import account_of, thread_with
from tests.support.graph_double import GraphDouble, Number, Person


@pytest.fixture
async def graph() -> AsyncIterator[GraphDouble]:
    async with GraphDouble().running() as double:
        yield double


@pytest.fixture
def number(graph: GraphDouble) -> Number:
    return graph.add_number()


@pytest.fixture
async def sheena(graph: GraphDouble, number: Number) -> Person:
    """A person who has just written."""
    person = graph.person("16505551234", "Sheena Nelson")
    await graph.person_says(number, person, "hello")
    return person


@pytest.fixture
def account(number: Number) -> ChannelAccount:
    return account_of(number)


@pytest.fixture
def thread(number: Number, sheena: Person) -> Thread:
    return thread_with(number, sheena)


@pytest.fixture
def messenger(session: aiohttp.ClientSession, graph: GraphDouble) -> WhatsAppMessenger:
    return WhatsAppMessenger(session, graph.api_url)


@pytest.fixture
def files(session: aiohttp.ClientSession, graph: GraphDouble) -> WhatsAppFiles:
    return WhatsAppFiles(session, graph.api_url)
