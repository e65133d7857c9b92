"""ChatModel, Embedder and Transcriber over litellm: one call to one provider. The chain and its judgement live in
konstruct.models.

Importing this takes seconds and 170 MB, so only the worker does.
"""

import asyncio
import logging
import math
import os
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import httpx

from konstruct.adapters import openai_format
from konstruct.errors import BadInput, EmbeddingUnavailable, Misconfigured, Unavailable
from konstruct.file_ports import Heard
from konstruct.models import EmbeddingLink, SpeechLink
from konstruct.ports import ChatMessage, Completion, ModelCallError, ModelLink, Tokens, ToolSpec

# litellm reads these while it is imported. Without them it fetches its price map and a header list from
# GitHub, and loads any .env file it finds, provider keys and all, into the environment.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"
os.environ["LITELLM_MODE"] = "PRODUCTION"
# Of embeddings it takes "no retries" for "nothing said", and this for what nobody said.
os.environ["DEFAULT_MAX_RETRIES"] = "0"
# Read at each call: it has OpenAI's format go through the same plain HTTP client as the others. OpenAI's own SDK
# walks through every message against its type hints, which takes longer the longer a conversation is.
os.environ["EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER"] = "True"

import litellm
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
from litellm.llms.ollama.common_utils import OllamaModelInfo
from litellm.llms.openai.chat.gpt_5_transformation import OpenAIGPT5Config

from konstruct.adapters import litellm_failures as failures

# At every call litellm, and the SDKs beneath it, take keys, organisations and headers from these if they are
# there. What a link does not say must not be sent: its address may be a tenant's.
for _name in [name for name in os.environ if name.startswith(("OPENAI_", "ANTHROPIC_", "OLLAMA_"))]:
    del os.environ[_name]

# It prints advice, and logs prompts and addresses; what matters of a failed call is in our ModelCallError.
litellm.suppress_debug_info = True
# Its own record of a call, a fifth of the call's work, is read by nobody: ours is made where the stream is read.
litellm.disable_streaming_logging = True
for _logger in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
    logging.getLogger(_logger).disabled = True
# OpenAI's SDK, which litellm still asks for embeddings, logs every request with the texts in it.
logging.getLogger("openai").setLevel(logging.CRITICAL)


def _ask_nobody(
    _: OllamaModelInfo, model: str, api_base: str | None = None, api_key: str | None = None
) -> dict[str, Any]:
    """What litellm says of a model of Ollama's when the server cannot be asked about it."""
    facts = {"key": model, "litellm_provider": "ollama", "mode": "chat"}
    limits = dict.fromkeys(("max_tokens", "max_input_tokens", "max_output_tokens"))
    return {**facts, **limits, "input_cost_per_token": 0.0, "output_cost_per_token": 0.0}


# It does ask, several times a call and in the event loop, blocking: at localhost, wherever Ollama may be.
OllamaModelInfo.get_runtime_model_info = _ask_nobody  # type: ignore[assignment]

# The chain's own limits are shorter; this one only ends a call that nobody waits for any more.
CALL_TIMEOUT_SECONDS: Final = 600.0

# Models behind an OpenAI-compatible address are all "openai" to litellm; of its two ways to Ollama only
# ollama_chat knows tools and images.
_ROUTES: Final = {"anthropic": "anthropic", "openai": "openai", "local": "openai", "ollama": "ollama_chat"}

# What goes into one request: so much less than OpenAI takes (8,192 tokens a text, 300,000 a request) that it holds
# even where every byte is a token.
TEXTS_AT_ONCE: Final = 64
LONGEST_TEXT_BYTES: Final = 4_096

# As many numbers as a vector may have; less is no embedding, and the database's index takes no more.
DIMENSIONS: Final = range(8, 3_073)

# These models were trained to be told which side of a search a text is on.
_PREFIXES: Final = {"nomic-embed-text": {"query": "search_query: ", "passage": "search_document: "}}

_MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")

# Kinds of recordings that OpenAI takes, by the endings that tell it.
_MOST_TOKENS: Final = 10_000_000
"""Many times what any model reads or writes in a call."""
_LONGEST_RECORDING: Final = 86_400
"""Seconds; whatever tells of more is mistaken."""
_ENDINGS: Final = {
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/flac": "flac",
}


class _GuardedHandler(AsyncHTTPHandler):
    """litellm asks through a client that it makes, and after a failure to connect once more through a new one."""

    def __init__(self, guarded: Callable[[], httpx.AsyncClient]) -> None:
        self._made = guarded
        super().__init__()

    def create_client(self, *_: Any, **__: Any) -> httpx.AsyncClient:
        return self._made()


class LiteLLMChatModel:
    """Stateless; one for all tenants, because each call carries its link's own address and key."""

    def __init__(self, guarded: Callable[[], httpx.AsyncClient] | None = None) -> None:
        """``guarded`` makes clients for the addresses that tenants gave; without it none of them is asked."""
        self._guarded = _GuardedHandler(guarded) if guarded else None

    async def stream(
        self,
        link: ModelLink,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
        may_call: bool = True,
    ) -> AsyncGenerator[Completion, None]:
        failure: ModelCallError | None = None
        response: Any = None
        texts = False
        # Ollama sends each call whole, all with the same index.
        calls = openai_format.CallsInPieces(come_whole=link.provider == "ollama")
        try:
            request = _request(link, max_tokens) | _prompt(link, messages, tools, may_call) | self._client(link)
            response = await litellm.acompletion(**request)
            usage: Any = None
            async for chunk in response:
                text, called = _delta(chunk)
                texts = texts or bool(text)
                calls.take(called)
                if calls.are_too_many:
                    raise ModelCallError("nonsense", f"{link.name} called more tools than can be meant.")
                usage = getattr(chunk, "usage", None) or usage
                yield Completion(text)
                # A piece takes litellm about a millisecond, and as long as more are waiting nothing else would run:
                # no heartbeat, so that a long answer that came at once was taken for a worker's death.
                await asyncio.sleep(0)
            yield _ending(link, response, usage, texts, calls)
        except ModelCallError:
            raise
        except Exception as error:
            failure = failures.failure(link, error, answering=response is not None)
        finally:
            if response is not None:
                await response.aclose()
        # Raised out here, so that litellm's own text, which holds addresses, is not chained to it.
        if failure is not None:
            raise failure

    def _client(self, link: ModelLink) -> dict[str, Any]:
        if not link.is_guarded:
            return {}
        if self._guarded is None:
            raise ModelCallError("refused", f"{link.name} is at an address of a tenant's, and none of those is asked.")
        return {"client": self._guarded}


class LiteLLMEmbedder:
    def __init__(self, link: EmbeddingLink, *, time_limit: float = 30.0) -> None:
        """``time_limit``: seconds for each request, of at most ``TEXTS_AT_ONCE`` texts."""
        self.name: Final = link.name
        self._link = link
        self._time_limit = time_limit

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "passage"]) -> list[list[float]]:
        prefix = _PREFIXES.get(self._link.model.partition(":")[0], {}).get(purpose, "")
        vectors: list[list[float]] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            vectors += await self._batch([prefix + _sendable(text) for text in texts[start : start + TEXTS_AT_ONCE]])
        if len({len(vector) for vector in vectors}) > 1:
            raise EmbeddingUnavailable(f"{self.name} made vectors that are not all of one length.")
        return vectors

    async def _batch(self, texts: list[str]) -> list[list[float]]:
        api_key = self._link.api_key.get_secret_value()
        if not api_key or not self._link.base_url:
            raise EmbeddingUnavailable(f"{self.name} has no API key or no address.")
        # Left unsaid, it would be whatever the environment says; of Ollama litellm says that it cannot be asked.
        format_ = {"encoding_format": "float"} if self._link.provider == "openai" else {}
        failure: EmbeddingUnavailable | None = None
        try:
            # Of this limit litellm tells OpenAI's client alone; Ollama's would wait for ten minutes.
            async with asyncio.timeout(self._time_limit):
                response = await litellm.aembedding(
                    model=f"{self._link.provider}/{self._link.model}",
                    input=texts,
                    api_base=self._link.base_url,
                    api_key=api_key,
                    timeout=self._time_limit,
                    num_retries=0,
                    max_retries=0,
                    **format_,
                )
            return _vectors(response.data, len(texts))
        except Exception as error:
            _, told = failures.judged(error, answering=False)
            failure = EmbeddingUnavailable(f"{self.name} made no vectors: {told}.")
        # Raised out here, so that litellm's own text, which holds addresses, is not chained to it.
        raise failure


class LiteLLMTranscriber:
    def __init__(self, link: SpeechLink, *, time_limit: float = 90.0) -> None:
        self._link = link
        self._time_limit = time_limit

    @property
    def name(self) -> str:
        return self._link.name

    async def transcribe(self, name: str, media_type: str, content: bytes) -> Heard:
        """``name`` is not passed on: what kind of recording it is has to be told by an ending, and by no more."""
        ending = _ENDINGS.get(media_type)
        if ending is None:
            raise BadInput("Recordings of this kind are not understood.")
        try:
            async with asyncio.timeout(self._time_limit):
                response = await litellm.atranscription(
                    model=f"openai/{self._link.model}",
                    file=(f"voice.{ending}", content, media_type),
                    response_format="json",
                    api_base=self._link.base_url,
                    api_key=self._link.api_key.get_secret_value(),
                    timeout=self._time_limit,
                    num_retries=0,
                    max_retries=0,
                )
            return Heard(str(response.text or ""), _seconds(response.usage))
        except Exception as error:
            kind, told = failures.judged(error, answering=False)
        # Raised out here, so that litellm's own text, which holds addresses, is not chained to it.
        sentence = f"{self._link.name} wrote nothing down: {told}."
        if kind == "auth":
            raise Misconfigured(sentence)
        raise BadInput(sentence) if kind in ("bad_request", "context") else Unavailable(sentence)


def _seconds(usage: Any) -> Decimal | None:
    """Models that are billed by tokens tell those of the sound instead, which are ten a second."""
    try:
        told = Decimal(str(usage.seconds)) if usage.type == "duration" else None
        if told is None:
            told = Decimal(int(usage.input_token_details.audio_tokens)) / 10
    except (AttributeError, TypeError, ValueError, ArithmeticError):
        return None
    return told if told.is_finite() and 0 <= told < _LONGEST_RECORDING else None


def _sendable(text: str) -> str:
    """As much of a text as surely fits, and something where there is nothing: OpenAI refuses an empty one."""
    kept = text.encode("utf-8", "replace")[:LONGEST_TEXT_BYTES].decode("utf-8", "ignore")
    return kept if kept.strip() else "."


def _vectors(items: Sequence[Any], count: int) -> list[list[float]]:
    """In the texts' order. Raises ValueError, or what comes of reading nonsense."""
    ordered = sorted(items, key=lambda item: item["index"])
    vectors = [[float(number) for number in item["embedding"]] for item in ordered]
    if [item["index"] for item in ordered] != list(range(count)):
        raise ValueError("not one vector for each text")
    if not all(len(vector) in DIMENSIONS and any(vector) and all(map(math.isfinite, vector)) for vector in vectors):
        raise ValueError("not vectors of finite numbers")
    return vectors


def _request(link: ModelLink, max_tokens: int) -> dict[str, Any]:
    api_key = link.api_key.get_secret_value()
    if not api_key or not link.base_url:
        # litellm would fill either from the environment, and send somebody's key to somebody else's address.
        raise ModelCallError("auth", f"{link.name} has no API key or no address.")
    request: dict[str, Any] = {
        "model": f"{_ROUTES[link.provider]}/{link.model}",
        "api_base": link.base_url,
        "api_key": api_key,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "timeout": CALL_TIMEOUT_SECONDS,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
    }
    if link.provider == "ollama":
        # Ollama cuts the prompt silently at a small window of its own unless told which one is meant.
        request["num_ctx"] = link.context_window
    if link.provider == "local":
        # A model this small loses its thread at the usual temperature, and itself in a second paragraph.
        request |= {"temperature": 0.0, "stop": ["\n"]}
    return request


def _prompt(
    link: ModelLink, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec], may_call: bool
) -> dict[str, Any]:
    if not tools or not link.calls_tools:
        # Anthropic refuses calls without tools, and litellm would make up a tool that can be called.
        return {"messages": list(openai_format.messages_as_text(messages))}
    prompt: dict[str, Any] = {"messages": list(openai_format.messages_for(messages))}
    if link.provider == "ollama" and not may_call:
        # It knows no other way to keep a model from calling, and takes calls without tools.
        return prompt
    prompt["tools"] = openai_format.tools_for(tools)
    if not may_call:
        prompt["tool_choice"] = "none"
    if link.provider == "openai" and OpenAIGPT5Config.is_model_gpt_5_4_plus_model(link.model):
        # In this format these models call tools only when they are told not to think first. Left unsaid, OpenAI refuses
        # some of them, and litellm turns to another of OpenAI's formats for all.
        prompt["reasoning_effort"] = "none"
    return prompt


def _delta(chunk: Any) -> tuple[str, Sequence[Any]]:
    """Text, and pieces of tool calls."""
    if not chunk.choices:
        return "", ()
    delta = chunk.choices[0].delta
    return delta.content or "", delta.tool_calls or ()


def _ending(link: ModelLink, response: Any, usage: Any, texts: bool, calls: openai_format.CallsInPieces) -> Completion:
    """The last piece. litellm ends a broken stream like a whole one; only this attribute tells them apart."""
    finish_reason = response.received_finish_reason
    whole = calls.calls(is_over=finish_reason != "length")
    if finish_reason is None:
        if texts or whole:
            raise ModelCallError("cut", f"{link.name} stopped in the middle of its answer.")
        raise ModelCallError("empty", f"{link.name} answered nothing.")
    # When the provider counted nothing litellm makes numbers up; these are not the provider's.
    counted = any(getattr(chunk, "usage", None) for chunk in response.chunks)
    said = getattr(response.chunks[-1], "model", None) if response.chunks else None
    # A tenant's own server may say anything, and this is shown to whoever watches the deployment.
    model = said if isinstance(said, str) and _MODEL_NAME.fullmatch(said) else None
    return Completion("", finish_reason, _tokens(usage) if usage and counted else None, whole, model)


def _tokens(usage: Any) -> Tokens:
    """A tenant's own server may say anything: none of it may make a call cost less than nothing."""
    details = usage.prompt_tokens_details
    read, written = _possible(usage.prompt_tokens), _possible(usage.completion_tokens)
    return Tokens(read, written, min(read, _possible((details.cached_tokens if details else None) or 0)))


def _possible(told: int) -> int:
    return max(0, min(told, _MOST_TOKENS))
