"""Pictures in each provider's own format, as they leave this machine."""

import base64
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from konstruct import models
from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.ports import ChatMessage, Image, ToolCall, ToolSpec
from konstruct.settings import Settings
from tests.support.model_doubles import Json, ModelDoubles
from tests.support.pictures import picture

JPEG = picture(format="JPEG")
ENCODED = base64.b64encode(JPEG).decode()
ASKED = ChatMessage("user", "What is this?", images=(Image("image/jpeg", JPEG), Image("image/jpeg", JPEG)))
CLOCK = ToolSpec("clock", "Says what time it is.", {"type": "object", "properties": {}})


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles().running() as running:
        yield running


async def sent(doubles: ModelDoubles, name: str, *talk: ChatMessage, with_tools: bool = False) -> Json:
    """The messages of the one call that is made."""
    settings = Settings(
        openai_api_key=SecretStr("sk-1"),
        openai_base_url=doubles.base_url("openai"),
        anthropic_api_key=SecretStr("sk-ant-1"),
        anthropic_base_url=doubles.base_url("anthropic"),
        ollama_base_url=doubles.base_url("ollama"),
    )
    [link] = models.chain([name], settings)
    assert link.sees_images
    tools = (CLOCK,) if with_tools else ()
    async for _ in LiteLLMChatModel().stream(
        link, [ChatMessage("system", "Be brief."), *talk], max_tokens=50, tools=tools
    ):
        pass
    [call] = doubles.calls
    assert call.outcome == "answered"
    question: Json = next(message for message in call.messages if message["role"] == "user")
    return question


@pytest.mark.parametrize("with_tools", [False, True])
async def test_anthropic_is_sent_base64_sources(doubles: ModelDoubles, with_tools: bool) -> None:
    question = await sent(doubles, "anthropic/claude-sonnet-4-6", ASKED, with_tools=with_tools)
    source = {"type": "base64", "media_type": "image/jpeg", "data": ENCODED}
    shown = [{name: part[name] for name in ("type", "source")} for part in question["content"][:2]]
    assert shown == 2 * [{"type": "image", "source": source}]
    assert question["content"][2]["text"] == "What is this?"


@pytest.mark.parametrize("with_tools", [False, True])
async def test_openai_is_sent_data_addresses(doubles: ModelDoubles, with_tools: bool) -> None:
    question = await sent(doubles, "openai/gpt-5.4", ASKED, with_tools=with_tools)
    urls = [part["image_url"]["url"] for part in question["content"][:2]]
    assert urls == 2 * [f"data:image/jpeg;base64,{ENCODED}"]
    assert question["content"][2] == {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize("with_tools", [False, True])
async def test_ollama_is_sent_a_list_of_images(doubles: ModelDoubles, with_tools: bool) -> None:
    question = await sent(doubles, "ollama/llava", ASKED, with_tools=with_tools)
    assert question["images"] == 2 * [ENCODED]
    assert question["content"] == "What is this?"


async def test_a_picture_stays_with_its_question_when_tools_were_used(doubles: ModelDoubles) -> None:
    call = ChatMessage("assistant", "", tool_calls=(ToolCall("c1", "clock", "{}"),))
    talk = (ASKED, call, ChatMessage("tool", "noon", tool_call_id="c1"))
    question = await sent(doubles, "openai/gpt-5.4", *talk, with_tools=True)
    assert [part["type"] for part in question["content"]] == ["image_url", "image_url", "text"]
