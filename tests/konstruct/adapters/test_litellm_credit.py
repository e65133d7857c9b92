"""An account without credit is no passing trouble, whatever status the provider tells it with."""

import pytest
from aiohttp import web

from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.ports import ChatMessage, ModelCallError
from tests.konstruct.adapters.chains import only_link
from tests.support.http import serve
from tests.support.model_doubles import ModelDoubles, Provider

SAYS = {
    "anthropic": (
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low."}},
    ),
    "openai": (
        429,
        {"error": {"message": "You exceeded your quota.", "type": "insufficient_quota", "code": "insufficient_quota"}},
    ),
}


@pytest.mark.parametrize(
    ("provider", "replaced", "kind"),
    [
        ("anthropic", "", "auth"),
        ("openai", "", "auth"),
        ("anthropic", "credit balance is too low", "bad_request"),
        ("openai", "insufficient_quota", "rate_limited"),
    ],
)
async def test_who_has_no_credit_is_refused(provider: Provider, replaced: str, kind: str) -> None:
    status, body = SAYS[provider]

    async def answer(_: web.Request) -> web.Response:
        text = web.json_response(body).text or ""
        return web.Response(
            status=status, text=text.replace(replaced, "other") if replaced else text, content_type="application/json"
        )

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with serve(app) as url:
        doubles = ModelDoubles()
        doubles.url = url
        pieces = LiteLLMChatModel().stream(only_link(doubles, provider), [ChatMessage("user", "Hi")], max_tokens=5)
        with pytest.raises(ModelCallError) as raised:
            await anext(pieces)
    assert raised.value.kind == kind
