"""A reply does not wait for an embedder that is away: words are enough, and it is left alone for a while."""

from pydantic import SecretStr

from activities.remembering import Remembering
from activities.thinking import Thinking
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.activities.memories import NO_FACTS, remember, shown, whole
from tests.support.doubles import (
    GivenEmbedders,
    KeptWindows,
    NothingWarms,
    RecordingMessenger,
    ScriptedModel,
    WordEmbedder,
)
from tests.support.office import Office


async def test_an_embedder_that_failed_is_not_asked_by_the_next_turn(
    office: Office,
    database: Database,
    vault: Vault,
    model: ScriptedModel,
    messenger: RecordingMessenger,
    embedder: WordEmbedder,
    remembering: Remembering,
) -> None:
    cooldowns = NothingWarms()
    settings = Settings(anthropic_api_key=SecretStr("sk-ant-canary"), openai_api_key=SecretStr("sk-canary"))
    embedders = GivenEmbedders({embedder.name: embedder})
    thinking = Thinking(settings, database, vault, model, cooldowns, {"slack": messenger}, KeptWindows(), embedders)
    model.script(NO_FACTS)
    asked = await office.exchange("My bicycle is a green Peregrine.")
    await remember(remembering, office, asked)
    embedder.asked.clear()
    embedder.is_away = True
    assert "Peregrine" in whole(await shown(thinking, model, office, "Which bicycle?", root="8.0"))
    assert cooldowns.cool_keys == {f"embedding:{embedder.name}"}
    embedder.is_away = False
    assert "Peregrine" in whole(await shown(thinking, model, office, "Which bicycle?", root="9.0"))
    assert embedder.asked == []
    await cooldowns.warm(f"embedding:{embedder.name}")
    await shown(thinking, model, office, "Which bicycle?", root="10.0")
    assert [purpose for purpose, _ in embedder.asked] == ["query"]
