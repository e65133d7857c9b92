"""`konstruct prices`: an operator looks at prices, and takes over newer ones once what changes was shown."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from konstruct import price_maps
from konstruct.embedded.postgres import Postgres
from konstruct.models import prices
from tests.support.commands import konstruct
from tests.support.databases import Own, own_database


@pytest.fixture
async def own(postgres: Postgres) -> AsyncIterator[Own]:
    async with own_database(postgres, "with_a_command") as opened:
        yield opened


@pytest.fixture
def env(own: Own) -> dict[str, str]:
    return {"KONSTRUCT_DATABASE_URL": own.app_url}


def listed(**changed: str) -> dict[str, Any]:
    """All that is packaged, as litellm writes it; ``changed``: what a million written tokens cost."""
    return {
        name: {
            "litellm_provider": provider,
            "mode": "chat",
            "input_cost_per_token": float(model.input) / 1e6,
            "output_cost_per_token": float(changed.get(name.replace("-", "_").replace(".", "_"), model.output)) / 1e6,
            "cache_read_input_token_cost": float(model.cached) / 1e6,
            "max_input_tokens": model.window,
            "max_output_tokens": model.max_output,
        }
        for provider in prices.PAID
        for name, model in prices.MODELS[provider].items()
    } | {
        name: {"litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": float(minute) / 60}
        for name, minute in prices.PACKAGED.speech.items()
    }


async def newest(own: Own) -> prices.PriceMap:
    async with own.database.system_session() as session:
        return await price_maps.newest(session)


async def test_a_newer_map_is_shown_asked_for_and_taken_over(own: Own, env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(listed(gpt_5_4="16")))
    update = ("prices", "update", "--from", str(file))

    unasked = await konstruct(*update, env=env)
    assert (unasked.status, "Nothing was changed." in unasked.said) == (1, True), unasked
    assert (await newest(own)).version == prices.VERSION
    taken = await konstruct(*update, "--yes", env=env)
    again = await konstruct(*update, "--yes", env=env)
    shown = await konstruct("prices", "show", env=env)

    version = (await newest(own)).version
    assert (taken.status, taken.complained) == (0, "")
    assert "~ openai/gpt-5.4  2.5/15/0.25 → 2.5/16/0.25" in taken.said
    assert f"Version {version} counts from now on." in taken.said
    assert (again.status, again.said) == (0, f"Nothing differs from version {version}.\n")
    assert version in shown.said
    assert "openai/gpt-5.4  2.5  16  0.25" in shown.said


@pytest.mark.parametrize("how", ["dropped", "far off"])
async def test_what_is_most_likely_a_mistake_is_taken_over_by_force_alone(
    own: Own, env: dict[str, str], tmp_path: Path, how: str
) -> None:
    broken = listed(gpt_5_4="151")
    if how == "dropped":
        broken = listed()
        del broken["gpt-5.4"]
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(broken))
    update = ("prices", "update", "--from", str(file), "--yes")

    refused = await konstruct(*update, env=env)
    assert refused.status == 1
    assert "add --force" in refused.complained
    assert (await newest(own)).version == prices.VERSION
    forced = await konstruct(*update, "--force", env=env)
    assert forced.status == 0
    assert (await newest(own)).version != prices.VERSION


async def test_the_map_of_this_release_is_taken_over_as_it_is(own: Own, env: dict[str, str]) -> None:
    done = await konstruct("prices", "update", "--yes", env=env)
    assert (done.status, done.complained) == (0, "")
    known = await newest(own)
    assert len(known.models["openai"]) > len(prices.MODELS["openai"])
    assert all(
        price > 0 for models in known.models.values() for each in models.values() for price in (each.input, each.output)
    )


@pytest.mark.parametrize("source", ["/nowhere.json", "http://127.0.0.1:9/prices.json", "file:///etc/passwd", "."])
async def test_what_cannot_be_read_is_told(own: Own, env: dict[str, str], source: str) -> None:
    refused = await konstruct("prices", "update", "--from", source, "--yes", env=env)
    assert refused.status == 1
    assert refused.complained.strip().endswith(".")
    assert "Traceback" not in refused.complained
