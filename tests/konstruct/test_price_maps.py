"""Price maps: which one counts, what of a stranger's is taken over, and what is told of the difference."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from konstruct import price_maps, usage
from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.employees import serving
from konstruct.errors import BadInput
from konstruct.identity import new_id
from konstruct.model_keys import keeping
from konstruct.models import ModelCall, prices, published
from konstruct.models.prices import PACKAGED, Model, PriceMap
from konstruct.models.published import Published
from konstruct.ports import Tokens
from konstruct.settings import Settings
from konstruct.tables import Usage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.crowds import statements
from tests.support.databases import Own, own_database
from tests.support.office import open_office

SETTINGS = Settings(openai_api_key=SecretStr("sk-deployment"))


def entry(**changed: Any) -> dict[str, Any]:
    return {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 2.5e-07,
        "max_input_tokens": 128_000,
        "max_output_tokens": 16_384,
        "supports_vision": True,
        **changed,
    }


def written(**models: Any) -> bytes:
    usual = {"claude-x": entry(litellm_provider="anthropic"), "gpt-x": entry()}
    return json.dumps({**usual, **models}).encode()


def test_prices_are_read_exactly() -> None:
    found = published.read(written(**{"openai/gpt-y": entry(input_cost_per_token=1.25e-07)}))
    assert found.models["openai"]["gpt-x"] == Model(
        128_000, 16_384, Decimal("2.5"), Decimal(15), Decimal("0.25"), sees=True
    )
    assert found.models["openai"]["gpt-y"].input == Decimal("0.125")


def test_a_price_that_the_ledger_could_not_keep_is_rounded_up() -> None:
    noisy = entry(input_cost_per_token=1.00001e-06, output_cost_per_token=2.0000000000000002e-07)
    found = published.read(written(**{"gpt-y": noisy}))
    assert (found.models["openai"]["gpt-y"].input, found.models["openai"]["gpt-y"].output) == (
        Decimal("1.0001"),
        Decimal("0.2"),
    )


@pytest.mark.parametrize("free", [{"input_cost_per_token": 0}, {"output_cost_per_token": None}])
def test_what_has_no_price_is_passed_over_and_told_and_never_free(free: dict[str, Any]) -> None:
    found = published.read(written(**{"gpt-free": entry(**free)}))
    assert found.passed_over == ["openai/gpt-free"]
    facts = prices.look_up("openai", "gpt-free", found.called("x"))
    assert facts is not None
    assert (facts.is_assumed, facts.model.output) == (True, Decimal(15))


def test_without_a_price_of_their_own_cached_tokens_cost_as_much_as_all() -> None:
    found = published.read(written(**{"gpt-y": entry(cache_read_input_token_cost=None)}))
    assert found.models["openai"]["gpt-y"].cached == Decimal("2.5")


def test_a_window_ends_where_prices_rise_and_leaves_room_for_what_is_asked() -> None:
    tiers = {"input_cost_per_token_above_32k_tokens": 1}
    found = published.read(written(**{"gpt-y": entry(**tiers), "gpt-z": entry(max_input_tokens=8_192)}))
    assert found.models["openai"]["gpt-y"].window == 32_000
    assert found.models["openai"]["gpt-z"].max_output == 2_730


def test_others_than_we_ask_are_left_out() -> None:
    others = {
        "sample_spec": {"litellm_provider": "one of …", "mode": "one of …"},
        "gemini-x": entry(litellm_provider="gemini"),
        "dall-e": entry(mode="image_generation"),
        "azure/gpt-x": entry(),
        "gpt y\n": entry(),
        "list": [1],
        "whisper-x": entry(mode="audio_transcription", input_cost_per_second=0.0001),
    }
    found = published.read(written(**others))
    assert [*found.models["openai"], *found.models["anthropic"]] == ["gpt-x", "claude-x"]
    assert found.speech == {"whisper-x": Decimal("0.006")}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"<html>",
        b'{"a": ' * 100_000,
        b"\xff\xfe",
        written()[:-1],
        written(**{"gpt-y": entry(input_cost_per_token=-1e-06)}),
        written(**{"gpt-y": entry(input_cost_per_token="0.1")}),
        written(**{"gpt-y": entry(input_cost_per_token=True)}),
        written(**{"gpt-y": entry(output_cost_per_token=0.011)}),
        written(**{"gpt-y": entry(max_input_tokens=-5)}),
        written().replace(b"2.5e-06", b"NaN"),
        written().replace(b"2.5e-06", b"1e999999999"),
        written().replace(b"2.5e-06", b"9" * 5_000),
        json.dumps({"gpt-x": entry()}).encode(),
        b" " * (published.MOST_BYTES + 1),
    ],
)
def test_what_is_no_price_map_is_refused_with_a_sentence(raw: bytes) -> None:
    with pytest.raises(BadInput, match=r"\.$"):
        published.read(raw)


def of(**output: str) -> PriceMap:
    models = {name: Model(1, 1, Decimal(1), Decimal(price), Decimal(1)) for name, price in output.items()}
    return PriceMap("x", {"openai": models})


def test_a_difference_tells_what_comes_goes_and_changes() -> None:
    found = price_maps.compare(of(a="1", b="2", c="3", d="1"), of(b="2", c="4", d="11", e="5"))
    assert found.added == ["openai/e"]
    assert found.dropped == ["openai/a"]
    assert found.changed == [("openai/c", "1/3/1", "1/4/1"), ("openai/d", "1/1/1", "1/11/1")]
    assert found.far_off == ["openai/d"]
    assert found.is_suspect
    assert price_maps.compare(of(a="1"), of(a="1.00")).is_nothing
    assert not price_maps.compare(of(a="1"), of(a="10", b="3")).is_suspect
    assert price_maps.compare(of(a="1"), of(a="0.09")).far_off == ["openai/a"]


def test_a_version_pinned_by_date_does_not_go_while_its_model_is_there() -> None:
    before, after = PriceMap("x", {"openai": {"m-2026-01-01": of(m="2").models["openai"]["m"]}}), of(m="3")
    assert price_maps.compare(before, after).dropped == []
    assert price_maps.compare(before, after).changed == [("openai/m-2026-01-01", "1/2/1", "1/3/1")]


@pytest.fixture
async def own(postgres: Postgres) -> AsyncIterator[Own]:
    """A price map is every tenant's."""
    async with own_database(postgres, "with_prices") as opened:
        yield opened


async def keep(database: Database, price: str, at: datetime) -> PriceMap:
    dear = Model(9_000, 1_000, Decimal(1), Decimal(price), Decimal(1))
    fresh = Published({"openai": {"gpt-x": dear}, "anthropic": {}}, {"whisper-1": Decimal("0.01")})
    async with database.system_session() as session:
        return await price_maps.keep(session, fresh, "a file", at)


async def test_the_newest_counts_within_half_a_minute_and_nobody_asks_more_often(own: Own) -> None:
    now, at = utc_now(), 1_000.0

    async def known() -> PriceMap:
        async with own.database.system_session() as session:
            return await price_maps.current(session, clock=lambda: at)

    assert await known() is PACKAGED
    first = await keep(own.database, "5", now)
    at += price_maps.LOOKED_FOR_EVERY
    assert await known() == first
    second = await keep(own.database, "6", now + timedelta(seconds=1))
    at += price_maps.LOOKED_FOR_EVERY - 1
    with statements(own.database) as ran:
        assert await known() == first
        assert not [statement for statement, _ in ran if "price_maps" in statement]
        at += 1
        assert await known() == second
        assert await known() == second
        assert len([statement for statement, _ in ran if "price_maps" in statement]) == 2
    assert second.models["openai"]["gpt-x"].output == 6


async def test_each_usage_row_says_at_which_version_it_was_priced(own: Own, vault: Vault) -> None:
    await keep(own.database, "6", utc_now())
    office = await open_office(own.database, vault)
    asked = await office.say()
    async with office.session() as session:
        newest = await price_maps.newest(session)
        chain = await keeping.chain(session, vault, ["openai/gpt-x", "openai/gpt-unheard-of"], SETTINGS)
        employee = await serving(session, asked.conversation_id)
        calls = [
            ModelCall(
                *(link.name, link.provider, link.model, "ok", utc_now()),
                tokens=(tokens := Tokens(1_000_000, 1_000_000)),
                cost=prices.cost(link, tokens),
                price_version=link.price_version,
                is_price_assumed=link.is_price_assumed,
            )
            for link in chain
        ]
        usage.record(session, employee, asked.conversation_id, new_id(), calls)
    rows = sorted(await office.rows(Usage), key=lambda row: row.is_price_assumed)
    assert [(row.cost, row.price_version, row.is_price_assumed) for row in rows] == [
        (Decimal(7), newest.version, False),
        (Decimal(7), newest.version, True),
    ]
