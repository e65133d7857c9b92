"""The double itself: one server for all providers, which checks, records, answers and fails as it is told."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.http import reset_connection, serve
from tests.support.model_doubles import speech
from tests.support.model_doubles.behaviour import HTTP_FAULTS, Behaviour, Fault, Json, echo, prompt_tokens, tokens
from tests.support.model_doubles.embeddings import EMBEDDING_WIRES, EmbeddingProvider, EmbeddingRequest, bag_of_words
from tests.support.model_doubles.script import ModelCall, Provider, Script, ending
from tests.support.model_doubles.wire import Anthropic, Called, Ollama, OpenAI, Reply, Request, Wire

WIRES: Mapping[Provider, Wire] = {"openai": OpenAI(), "anthropic": Anthropic(), "ollama": Ollama(), "local": OpenAI()}
FRAGMENT = 5
"""Characters of a call's arguments that come at once."""
GARBAGE = {
    Fault.EMPTY_BODY: "",
    Fault.HTML_BODY: "<html><head><title>502 Bad Gateway</title></head></html>",
}


class ModelDoubles(Script):
    """As a script of its own it is that of the chat calls; ``embeddings`` is that of the others."""

    def __init__(
        self,
        *,
        keys: Mapping[Provider, Collection[str]] | None = None,
        ollama_models: Collection[str] = ("llama3.2", "llama3.2:latest", "llava", "nomic-embed-text"),
        context_window: int = 1_000_000,
    ) -> None:
        """A provider that is not in ``keys`` takes any key, but OpenAI and Anthropic want one."""
        super().__init__()
        self.keys: dict[Provider, Collection[str]] = dict(keys or {})
        self.ollama_models = ollama_models
        self.context_window = context_window
        self.url = ""
        self.embeddings = Script()
        self.transcriptions = Script()
        self.embedding_calls = self.embeddings.calls

    def base_url(self, provider: Provider) -> str:
        """As the provider's own base URL is usually written in settings."""
        return self.url + {"openai": "/v1", "anthropic": "", "ollama": "", "local": "/local/v1"}[provider]

    @asynccontextmanager
    async def running(self, *, port: int = 0, routes: list[web.RouteDef] | None = None) -> AsyncIterator[Self]:
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._chat("openai")),
                web.post("/local/v1/chat/completions", self._chat("local")),
                web.post("/v1/messages", self._chat("anthropic")),
                web.post("/api/chat", self._chat("ollama")),
                web.post("/v1/embeddings", self._embed("openai")),
                web.post("/api/embed", self._embed("ollama")),
                web.post("/v1/audio/transcriptions", self._transcribe),
                web.get("/v1/models", self._list_models),
                web.get("/api/tags", self._ollama_tags),
                web.post("/api/show", self._ollama_show),
                web.get("/api/version", self._ollama_version),
                *(routes or []),
            ]
        )
        async with serve(app, port=port) as self.url:
            yield self

    def _chat(self, provider: Provider) -> Handler:
        wire = WIRES[provider]

        async def handle(http: web.Request) -> web.StreamResponse:
            call = ModelCall(provider, _key(http), _json_or_empty(await http.read()), time.monotonic())
            behaviour = await self.begin(call)
            with ending(call):
                return await self._answer(http, call, wire, behaviour)

        return handle

    def _embed(self, provider: EmbeddingProvider) -> Handler:
        wire, embedding_wire = WIRES[provider], EMBEDDING_WIRES[provider]

        async def handle(http: web.Request) -> web.Response:
            call = ModelCall(provider, _key(http), _json_or_empty(await http.read()), time.monotonic())
            behaviour = await self.embeddings.begin(call)
            with ending(call):
                if behaviour.fault is Fault.HANG_BEFORE_HEADERS:
                    await behaviour.released.wait()
                request = embedding_wire.read(call.body)
                if refusal := self._refusal(http, call, wire, behaviour, request):
                    call.outcome = "refused"
                    return refusal
                assert isinstance(request, EmbeddingRequest)
                vectors = behaviour.vectors(list(enumerate(map(bag_of_words, request.texts))))
                return _text(http, call, behaviour, embedding_wire.write(request, vectors))

        return handle

    async def _transcribe(self, http: web.Request) -> web.Response:
        call = ModelCall("openai", _key(http), speech.as_json(await http.post()), time.monotonic())
        behaviour = await self.transcriptions.begin(call)
        with ending(call):
            if not self._is_welcome("openai", call.key):
                return web.json_response(WIRES["openai"].error(Fault.UNAUTHORIZED), status=401)
            if behaviour.fault in HTTP_FAULTS:
                status = HTTP_FAULTS[behaviour.fault]
                return web.json_response(WIRES["openai"].error(behaviour.fault), status=status)
            if refusal := speech.refusal(call.body):
                return web.json_response(WIRES["openai"].error(Fault.CONTEXT_EXCEEDED, refusal), status=400)
            call.outcome = "answered"
            return web.json_response({"text": behaviour.answer([]), "usage": {"type": "duration", "seconds": 7}})

    async def _answer(self, http: web.Request, call: ModelCall, wire: Wire, behaviour: Behaviour) -> web.StreamResponse:
        if behaviour.fault is Fault.HANG_BEFORE_HEADERS:
            await behaviour.released.wait()
        request = wire.read(call.body)
        if refusal := self._refusal(http, call, wire, behaviour, request):
            call.outcome = "refused"
            return refusal
        assert isinstance(request, Request)
        reply = _compose(request, behaviour)
        if behaviour.fault is Fault.DROPPED_AT_ONCE:
            call.outcome = "broken"
            reset_connection(http)
            return web.Response()
        if request.is_stream:
            return await _stream(http, call, wire, behaviour, reply)
        return await _whole(http, call, wire, behaviour, reply)

    def _refusal(
        self,
        http: web.Request,
        call: ModelCall,
        wire: Wire,
        behaviour: Behaviour,
        request: Request | EmbeddingRequest | str,
    ) -> web.Response | None:
        if not self._is_welcome(call.provider, call.key):
            return web.json_response(wire.error(Fault.UNAUTHORIZED), status=401)
        if behaviour.fault in HTTP_FAULTS:
            waits = HTTP_FAULTS[behaviour.fault] in {429, 503, 529} and behaviour.retry_after is not None
            headers = {"retry-after": str(behaviour.retry_after)} if waits else {}
            return web.json_response(wire.error(behaviour.fault), status=HTTP_FAULTS[behaviour.fault], headers=headers)
        if not _is_unicode(call.body):
            request = "The request body is not valid JSON: no low surrogate in string"
        if call.provider == "anthropic" and "anthropic-version" not in http.headers:
            request = "anthropic-version: header is required"
        if isinstance(request, str):
            return web.json_response(wire.error(Fault.CONTEXT_EXCEEDED, request), status=400)
        if call.provider == "ollama":
            # Ollama cuts a prompt that is too long without a word, so there is nothing more to refuse.
            known = request.model in self.ollama_models
            missing = wire.error(Fault.SERVER_ERROR, f"model '{request.model}' not found")
            return None if known else web.json_response(missing, status=404)
        if isinstance(request, Request) and request.tokens > self.context_window:
            return web.json_response(wire.error(Fault.CONTEXT_EXCEEDED), status=400)
        return None

    def _is_welcome(self, provider: Provider, key: str | None) -> bool:
        if provider in self.keys:
            return key in self.keys[provider]
        return provider in {"ollama", "local"} or bool(key)

    async def _list_models(self, http: web.Request) -> web.Response:
        """OpenAI and Anthropic have the same path for it; the latter is known by its own header."""
        provider: Provider = "anthropic" if "anthropic-version" in http.headers else "openai"
        if not self._is_welcome(provider, _key(http)):
            return web.json_response(WIRES[provider].error(Fault.UNAUTHORIZED), status=401)
        return web.json_response({"object": "list", "data": []})

    async def _ollama_tags(self, _: web.Request) -> web.Response:
        details = {"format": "gguf", "family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
        common = {"modified_at": "2026-01-01T00:00:00Z", "size": 2_019_393_189, "digest": "0" * 64, "details": details}
        return web.json_response({"models": [{"name": name, "model": name, **common} for name in self.ollama_models]})

    async def _ollama_show(self, http: web.Request) -> web.Response:
        asked = await http.json()
        name = asked.get("model") or asked.get("name")
        if name not in self.ollama_models:
            return web.json_response({"error": f"model '{name}' not found"}, status=404)
        info = {"general.architecture": "llama", "llama.context_length": 131_072}
        return web.json_response({"capabilities": ["completion"], "model_info": info, "template": "{{ .Prompt }}"})

    async def _ollama_version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "0.13.0"})


def _key(http: web.Request) -> str | None:
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    return http.headers.get("x-api-key") or (token if scheme == "Bearer" else None) or None


def _json_or_empty(raw: bytes) -> Json:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_unicode(body: Json) -> bool:
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _compose(request: Request, behaviour: Behaviour) -> Reply:
    wanted = behaviour.calls(request.messages) if callable(behaviour.calls) else behaviour.calls
    given = wanted if request.may_call or behaviour.insists else ()
    is_silent = behaviour.fault is Fault.EMPTY_ANSWER or (bool(given) and behaviour.answer is echo)
    pieces = [] if is_silent else tokens(behaviour.answer(request.messages))
    limit = request.max_tokens or sys.maxsize
    kept = pieces[:limit]
    left = limit - len(kept)
    calls: list[Called] = []
    ids = [*behaviour.call_ids, *[None] * len(given)]
    for (name, arguments), call_id in zip(given, ids, strict=False):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        fragments = [text[start : start + FRAGMENT] for start in range(0, len(text), FRAGMENT)]
        if left > 0:
            calls.append(Called(name, fragments[:left], call_id))
        left -= len(fragments)
    return Reply(
        model=request.model,
        pieces=kept,
        is_cut_short=len(kept) < len(pieces) or left < 0,
        prompt_tokens=prompt_tokens(request.messages),
        cached_tokens=behaviour.cached_tokens,
        calls=calls,
        with_usage=request.with_usage,
    )


async def _whole(
    http: web.Request, call: ModelCall, wire: Wire, behaviour: Behaviour, reply: Reply
) -> web.StreamResponse:
    """What breaks a stream in the middle breaks half a body here."""
    await asyncio.sleep(behaviour.first_token_delay + behaviour.token_delay * len(reply.pieces))
    if behaviour.fault in {Fault.HANG_BEFORE_FIRST_TOKEN, Fault.HANG_MID_STREAM}:
        await behaviour.released.wait()
    if behaviour.fault is Fault.ERROR_IN_STREAM:
        call.outcome = "refused"
        return web.json_response(wire.error(Fault.SERVER_ERROR), status=500)
    return _text(http, call, behaviour, wire.whole(reply))


def _text(http: web.Request, call: ModelCall, behaviour: Behaviour, whole: Json) -> web.Response:
    text = json.dumps(whole)
    if behaviour.fault in {Fault.MALFORMED, Fault.CUT, Fault.DROPPED, *GARBAGE}:
        call.outcome = "broken"
        if behaviour.fault is Fault.DROPPED:
            reset_connection(http)
        text = GARBAGE.get(behaviour.fault, text[: len(text) // 2])
    else:
        call.outcome = "answered"
    content_type = "text/html" if behaviour.fault is Fault.HTML_BODY else "application/json"
    return web.Response(text=text, content_type=content_type)


async def _stream(
    http: web.Request, call: ModelCall, wire: Wire, behaviour: Behaviour, reply: Reply
) -> web.StreamResponse:
    is_html = behaviour.fault is Fault.HTML_BODY
    response = web.StreamResponse(headers={"Content-Type": "text/html" if is_html else wire.content_type})
    await response.prepare(http)
    if behaviour.fault in GARBAGE:
        await response.write(GARBAGE[behaviour.fault].encode())
        call.outcome = "broken"
        return response
    for chunk in wire.opening(reply):
        await response.write(chunk)
    if behaviour.fault is Fault.HANG_BEFORE_FIRST_TOKEN:
        await behaviour.released.wait()
    await asyncio.sleep(behaviour.first_token_delay)
    calling = list(wire.calling(reply))
    breaks_after = len(reply.pieces) + len(calling) // 2 if calling else 0
    for number, chunk in enumerate([*(wire.piece(reply, piece) for piece in reply.pieces), *calling]):
        if number:
            await asyncio.sleep(behaviour.token_delay)
        await response.write(chunk)
        if number == breaks_after and await _break(http, call, wire, behaviour, response):
            return response
    for chunk in wire.ending(reply):
        await response.write(chunk)
    call.outcome = "answered"
    await response.write_eof()
    return response


async def _break(
    http: web.Request, call: ModelCall, wire: Wire, behaviour: Behaviour, response: web.StreamResponse
) -> bool:
    """After the first token, or half of the calls: whether the answer ends here."""
    match behaviour.fault:
        case Fault.HANG_MID_STREAM:
            await behaviour.released.wait()
            return False
        case Fault.CUT:
            pass
        case Fault.DROPPED:
            reset_connection(http)
        case Fault.MALFORMED:
            await response.write(wire.malformed())
        case Fault.ERROR_IN_STREAM:
            await response.write(wire.error_in_stream())
        case _:
            return False
    call.outcome = "broken"
    return True
