"""Addresses of models that a tenant gave are asked through the guard, with the tenant's key and nobody else's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
from aiohttp import web
from pydantic import SecretStr

from konstruct import models
from konstruct.adapters import guarded_http
from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.adapters.web import open_client
from konstruct.models import Access
from konstruct.ports import ChatMessage, ModelCallError, ModelLink
from konstruct.settings import Settings
from tests.support.http import serve
from tests.support.model_doubles import ModelDoubles, Provider

OWN = SecretStr("key-of-the-tenant")
DEPLOYMENT = SecretStr("key-of-the-deployment")


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles().running() as running:
        yield running


def own_link(doubles: ModelDoubles, provider: Provider) -> ModelLink:
    settings = Settings(openai_api_key=DEPLOYMENT, openai_base_url="http://127.0.0.1:9/v1", ollama_base_url=None)
    own: dict[str, Access] = {provider: Access(doubles.base_url(provider), OWN, is_own=True, is_guarded=True)}
    names = {"openai": "openai/gpt-4o-mini", "ollama": "ollama/llama3.2"}
    [link] = models.chain([names[provider]], settings, own)
    return link


async def said(model: LiteLLMChatModel, link: ModelLink) -> str:
    pieces = model.stream(link, [ChatMessage("user", "Hello")], max_tokens=100)
    return "".join([piece.text async for piece in pieces])


@pytest.mark.parametrize("provider", ["openai", "ollama"])
async def test_an_allowed_address_is_asked_with_the_tenants_key(doubles: ModelDoubles, provider: Provider) -> None:
    async with open_client([doubles.url.removeprefix("http://")]) as web_client:
        model = LiteLLMChatModel(partial(guarded_http.lent, web_client))
        assert await said(model, own_link(doubles, provider))
    [call] = doubles.calls
    assert call.key == OWN.get_secret_value()


@pytest.mark.parametrize("provider", ["openai", "ollama"])
async def test_an_address_inside_is_never_asked(doubles: ModelDoubles, provider: Provider) -> None:
    async with open_client() as web_client:
        with pytest.raises(ModelCallError):
            await said(LiteLLMChatModel(partial(guarded_http.lent, web_client)), own_link(doubles, provider))
    with pytest.raises(ModelCallError):
        await said(LiteLLMChatModel(), own_link(doubles, provider))
    assert doubles.calls == []


async def test_a_redirect_takes_the_key_nowhere(doubles: ModelDoubles) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{doubles.base_url('openai')}/chat/completions")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", elsewhere)
    async with serve(app) as url:
        places = [each.removeprefix("http://") for each in (url, doubles.url)]
        link = replace(own_link(doubles, "openai"), base_url=f"{url}/v1")
        async with open_client(places) as web_client:
            with pytest.raises(ModelCallError):
                await said(LiteLLMChatModel(partial(guarded_http.lent, web_client)), link)
    assert doubles.calls == []
