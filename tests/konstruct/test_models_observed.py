"""Calls of models as spans and numbers: who, how long, how many tokens; no word of it, and few names."""

import pytest

from konstruct.errors import ModelsUnavailable
from konstruct.models import observed
from konstruct.ports import ModelCallError
from tests.konstruct.model_pool import USED, A, B, Pool, fails, link, says
from tests.support.numbers import Counted
from tests.support.spans import Spans

KNOWN = link("openai/gpt-5.4")


async def test_a_call_is_a_span_by_the_conventions_and_holds_no_word(spans: Spans) -> None:
    counted = Counted()
    await Pool({KNOWN.name: says("A heron ", "nests.")}, links=[KNOWN]).ask()
    [span] = spans.ended
    assert span.name == "chat gpt-5.4"
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4",
        "gen_ai.usage.input_tokens": USED.input,
        "gen_ai.usage.output_tokens": USED.output,
    }
    assert "heron" not in span.to_json()
    labels = {"provider": "openai", "model": "gpt-5.4"}
    assert counted.of("konstruct_model_calls_total", **labels, outcome="ok") == 1
    assert counted.of("konstruct_model_call_seconds_count", **labels) == 1
    assert counted.of("konstruct_model_tokens_total", **labels, kind="input") == USED.input
    assert counted.of("konstruct_model_tokens_total", **labels, kind="output") == USED.output


async def test_a_call_that_fails_says_how_and_quotes_nobody(spans: Spans) -> None:
    counted = Counted()
    pool = Pool({A.name: fails(ModelCallError("rate_limited", "the heron is busy")), B.name: says("Good day!")})
    await pool.ask()
    failed, answered = spans.ended
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "rate_limited"
    assert not failed.status.is_ok
    assert failed.events == ()
    assert "heron" not in failed.to_json()
    assert answered.status.is_ok
    assert counted.of("konstruct_model_calls_total", outcome="failed") == 1


async def test_a_model_that_rests_is_counted_as_skipped(spans: Spans) -> None:
    counted = Counted()
    pool = Pool({A.name: fails(ModelCallError("server", "no")), B.name: says("Good day!")})
    await pool.ask()
    await pool.ask()
    assert counted.of("konstruct_model_calls_total", outcome="skipped") == 1
    assert len(spans.ended) == 3


async def test_names_that_tenants_make_up_are_one_in_metrics() -> None:
    counted = Counted()
    for number in range(20):
        made_up = link(f"openai/made-up-{number}")
        await Pool({made_up.name: says("Hello!")}, links=[made_up]).ask()
    assert counted.of("konstruct_model_calls_total", model="other", outcome="ok") == 20
    assert counted.of("konstruct_model_calls_total", outcome="ok") == 20


async def test_the_deployments_own_models_have_their_names() -> None:
    counted = Counted()
    own = link("openai/our-own")
    observed.name([own.name])
    with pytest.raises(ModelsUnavailable):
        await Pool({own.name: fails(ModelCallError("auth", "no"))}, links=[own]).ask()
    assert counted.of("konstruct_model_calls_total", model="our-own", outcome="failed") == 1
