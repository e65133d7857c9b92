"""The three wire formats: how requests are read, and how answers, streams, usage and errors are written.

Pure functions and values; who answers what and when is not decided here.
"""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Protocol

from tests.support.model_doubles import tool_rules
from tests.support.model_doubles.behaviour import Fault, Json, prompt_tokens


@dataclass(frozen=True)
class Called:
    name: str
    fragments: list[str]
    """Of the arguments' text."""
    id: str | None
    """None: in the vendor's own style; empty: left out."""

    @property
    def arguments(self) -> str:
        return "".join(self.fragments)

    @property
    def given(self) -> Json | None:
        """The arguments as an object; None when they are none."""
        try:
            arguments = json.loads(self.arguments)
        except ValueError:
            return None
        return arguments if isinstance(arguments, dict) else None

    def id_like(self, prefix: str) -> Json:
        made = f"{prefix}_{uuid.uuid4().hex[:24]}" if self.id is None else self.id
        return {"id": made} if made else {}


@dataclass(frozen=True)
class Reply:
    """What is to be written, in one piece or in a stream."""

    model: str
    pieces: list[str]
    is_cut_short: bool
    """By max_tokens: the finish reason says so."""
    prompt_tokens: int
    cached_tokens: int
    calls: list[Called]
    with_usage: bool = True

    @property
    def output_tokens(self) -> int:
        return len(self.pieces) + sum(len(call.fragments) for call in self.calls)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Request:
    model: str
    messages: list[Json]
    is_stream: bool
    max_tokens: int | None
    with_usage: bool
    """Whether a stream is to say the usage too."""
    may_call: bool

    @property
    def tokens(self) -> int:
        """What it may take of the model's window, prompt and answer together."""
        return prompt_tokens(self.messages) + (self.max_tokens or 0)


class Wire(Protocol):
    content_type: str

    def read(self, body: Json) -> Request | str:
        """A string says what is wrong with the request."""

    def whole(self, reply: Reply) -> Json: ...

    def opening(self, reply: Reply) -> Iterator[bytes]: ...

    def piece(self, reply: Reply, text: str) -> bytes: ...

    def calling(self, reply: Reply) -> Iterator[bytes]: ...

    def ending(self, reply: Reply) -> Iterator[bytes]: ...

    def malformed(self) -> bytes: ...

    def error(self, fault: Fault, message: str | None = None) -> Json: ...

    def error_in_stream(self) -> bytes: ...


def _bad(name: str, value: object, kind: type) -> str | None:
    if value is None:
        return f"{name}: Field required"
    return None if isinstance(value, kind) and value else f"{name}: Input should be a valid {kind.__name__}"


def _sse(data: Json, event: str | None = None) -> bytes:
    return (f"event: {event}\n" if event else "").encode() + f"data: {json.dumps(data)}\n\n".encode()


class OpenAI:
    content_type = "text/event-stream"

    def read(self, body: Json) -> Request | str:
        if problem := _bad("model", body.get("model"), str) or _bad("messages", body.get("messages"), list):
            return problem
        if problem := tool_rules.openai(body):
            return problem
        return Request(
            model=body["model"],
            messages=body["messages"],
            is_stream=bool(body.get("stream")),
            max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
            with_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            may_call=bool(body.get("tools")) and body.get("tool_choice") != "none",
        )

    def whole(self, reply: Reply) -> Json:
        message: Json = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
        if reply.calls:
            message["tool_calls"] = [self._call(call, call.arguments) for call in reply.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish(reply)}
        return self._frame(reply, "chat.completion") | {"choices": [choice], "usage": self._usage(reply)}

    def opening(self, reply: Reply) -> Iterator[bytes]:
        yield self._chunk(reply, {"role": "assistant", "content": "", "refusal": None})

    def piece(self, reply: Reply, text: str) -> bytes:
        return self._chunk(reply, {"content": text})

    def calling(self, reply: Reply) -> Iterator[bytes]:
        """Piece by piece in turn, which the index allows."""
        for index, call in enumerate(reply.calls):
            yield self._chunk(reply, {"tool_calls": [{"index": index, **self._call(call, "")}]})
        for fragments in zip_longest(*(call.fragments for call in reply.calls)):
            for index, fragment in enumerate(fragments):
                if fragment is not None:
                    yield self._chunk(reply, {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})

    def ending(self, reply: Reply) -> Iterator[bytes]:
        yield self._chunk(reply, {}, self._finish(reply))
        if reply.with_usage:
            yield _sse(self._frame(reply, "chat.completion.chunk") | {"choices": [], "usage": self._usage(reply)})
        yield b"data: [DONE]\n\n"

    def malformed(self) -> bytes:
        return b'data: {"id":"chatcmpl-1","choices":[{"index":0,"del\n\n'

    def error(self, fault: Fault, message: str | None = None) -> Json:
        text, kind, code = {
            Fault.RATE_LIMITED: ("Rate limit reached. Please try again in 1s.", "requests", "rate_limit_exceeded"),
            Fault.UNAUTHORIZED: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
            Fault.CONTEXT_EXCEEDED: (
                "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.",
                "invalid_request_error",
                "context_length_exceeded",
            ),
        }.get(fault, ("The server had an error while processing your request.", "server_error", None))
        return {"error": {"message": message or text, "type": kind, "param": None, "code": code}}

    def error_in_stream(self) -> bytes:
        return _sse(self.error(Fault.SERVER_ERROR))

    def _frame(self, reply: Reply, kind: str) -> Json:
        created = {"id": f"chatcmpl-{uuid.uuid4().hex[:29]}", "object": kind, "created": int(time.time())}
        return created | {"model": reply.model, "service_tier": "default", "system_fingerprint": "fp_double"}

    def _chunk(self, reply: Reply, delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if reply.with_usage else {}
        return _sse(self._frame(reply, "chat.completion.chunk") | {"choices": [choice]} | usage)

    def _call(self, call: Called, arguments: str) -> Json:
        function = {"name": call.name, "arguments": arguments}
        return {**call.id_like("call"), "type": "function", "function": function}

    def _finish(self, reply: Reply) -> str:
        if reply.is_cut_short:
            return "length"
        return "tool_calls" if reply.calls else "stop"

    def _usage(self, reply: Reply) -> Json:
        output = reply.output_tokens
        return {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": output,
            "total_tokens": reply.prompt_tokens + output,
            "prompt_tokens_details": {"cached_tokens": reply.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


class Anthropic:
    content_type = "text/event-stream"

    def read(self, body: Json) -> Request | str:
        problem = (
            _bad("model", body.get("model"), str)
            or _bad("max_tokens", body.get("max_tokens"), int)
            or _bad("messages", body.get("messages"), list)
        )
        if problem:
            return problem
        if wrong := [m.get("role") for m in body["messages"] if m.get("role") not in {"user", "assistant"}]:
            return f'messages: Unexpected role "{wrong[0]}".'
        if problem := tool_rules.anthropic(body):
            return problem
        system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        return Request(
            model=body["model"],
            messages=system + body["messages"],
            is_stream=bool(body.get("stream")),
            max_tokens=body["max_tokens"],
            with_usage=True,
            may_call=bool(body.get("tools")) and body.get("tool_choice", {}).get("type") != "none",
        )

    def whole(self, reply: Reply) -> Json:
        content: list[Json] = [{"type": "text", "text": reply.text}] if reply.text else []
        content += [self._use(call) | {"input": call.given or {}} for call in reply.calls]
        ended = {"content": content, "stop_reason": self._stop_reason(reply)}
        return self._message(reply) | ended | {"usage": self._usage(reply, reply.output_tokens)}

    def opening(self, reply: Reply) -> Iterator[bytes]:
        message = self._message(reply) | {"usage": self._usage(reply, 1)}
        yield _sse({"type": "message_start", "message": message}, "message_start")
        if reply.pieces:
            block = {"type": "text", "text": ""}
            yield _sse({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start")
            yield _sse({"type": "ping"}, "ping")

    def piece(self, reply: Reply, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return _sse({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")

    def calling(self, reply: Reply) -> Iterator[bytes]:
        """A block each, one after the other."""
        for index, call in enumerate(reply.calls, start=1 if reply.pieces else 0):
            if index:
                yield self._stop(index - 1)
            block = {"type": "content_block_start", "index": index, "content_block": self._use(call)}
            yield _sse(block, "content_block_start")
            for fragment in ("", *call.fragments):
                delta = {"type": "input_json_delta", "partial_json": fragment}
                yield _sse({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")

    def ending(self, reply: Reply) -> Iterator[bytes]:
        blocks = len(reply.calls) + bool(reply.pieces)
        if blocks:
            yield self._stop(blocks - 1)
        delta = {"stop_reason": self._stop_reason(reply), "stop_sequence": None}
        usage = {"output_tokens": reply.output_tokens}
        yield _sse({"type": "message_delta", "delta": delta, "usage": usage}, "message_delta")
        yield _sse({"type": "message_stop"}, "message_stop")

    def malformed(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","ind\n\n'

    def error(self, fault: Fault, message: str | None = None) -> Json:
        kind, text = {
            Fault.RATE_LIMITED: ("rate_limit_error", "This request would exceed your organization's rate limit."),
            Fault.OVERLOADED: ("overloaded_error", "Overloaded"),
            Fault.UNAUTHORIZED: ("authentication_error", "invalid x-api-key"),
            Fault.CONTEXT_EXCEEDED: ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        }.get(fault, ("api_error", "Internal server error"))
        error = {"type": kind, "message": message or text}
        return {"type": "error", "error": error, "request_id": f"req_{uuid.uuid4().hex[:24]}"}

    def error_in_stream(self) -> bytes:
        return _sse(self.error(Fault.OVERLOADED), "error")

    def _message(self, reply: Reply) -> Json:
        identity = {"id": f"msg_{uuid.uuid4().hex[:24]}", "type": "message", "role": "assistant", "model": reply.model}
        return identity | {"content": [], "stop_reason": None, "stop_sequence": None}

    def _use(self, call: Called) -> Json:
        return {"type": "tool_use", **call.id_like("toolu"), "name": call.name, "input": {}}

    def _stop(self, index: int) -> bytes:
        return _sse({"type": "content_block_stop", "index": index}, "content_block_stop")

    def _stop_reason(self, reply: Reply) -> str:
        if reply.is_cut_short:
            return "max_tokens"
        return "tool_use" if reply.calls else "end_turn"

    def _usage(self, reply: Reply, output: int) -> Json:
        # Unlike OpenAI's, these input tokens leave the cached ones out.
        fresh = reply.prompt_tokens - reply.cached_tokens
        cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": reply.cached_tokens}
        return {"input_tokens": fresh, **cache, "output_tokens": output, "service_tier": "standard"}


class Ollama:
    content_type = "application/x-ndjson"

    def read(self, body: Json) -> Request | str:
        if not body.get("model"):
            return "model is required"
        if problem := tool_rules.ollama(body):
            return problem
        return Request(
            model=body["model"],
            messages=body.get("messages") or [],
            is_stream=body.get("stream", True),
            max_tokens=(body.get("options") or {}).get("num_predict"),
            with_usage=True,
            may_call=bool(body.get("tools")),
        )

    def whole(self, reply: Reply) -> Json:
        calls = {"tool_calls": [self._call(call) for call in reply.calls]} if reply.calls else {}
        return self._frame(reply, reply.text, **calls) | self._counts(reply)

    def opening(self, reply: Reply) -> Iterator[bytes]:
        yield from ()

    def piece(self, reply: Reply, text: str) -> bytes:
        return self._line(self._frame(reply, text) | {"done": False})

    def calling(self, reply: Reply) -> Iterator[bytes]:
        """Each call whole. What it cannot read as one, for its arguments are no object, it passes on as text."""
        for call in reply.calls:
            said = "" if call.given is not None else f'{{"name": "{call.name}", "parameters": {call.arguments}}}'
            calls = {} if said else {"tool_calls": [self._call(call)]}
            yield self._line(self._frame(reply, said, **calls) | {"done": False})

    def ending(self, reply: Reply) -> Iterator[bytes]:
        yield self._line(self._frame(reply, "") | self._counts(reply))

    def malformed(self) -> bytes:
        return b'{"model":"llama3.2","message":{"role":"assi\n'

    def error(self, fault: Fault, message: str | None = None) -> Json:
        text = {
            Fault.RATE_LIMITED: "too many requests",
            Fault.UNAVAILABLE: "server busy, please try again.  maximum pending requests exceeded",
            Fault.UNAUTHORIZED: "unauthorized",
            Fault.CONTEXT_EXCEEDED: "the input length exceeds the context length",
        }.get(fault, "llama runner process has terminated: exit status 2")
        return {"error": message or text}

    def error_in_stream(self) -> bytes:
        return self._line(self.error(Fault.SERVER_ERROR))

    def _line(self, data: Json) -> bytes:
        return json.dumps(data).encode() + b"\n"

    def _call(self, call: Called) -> Json:
        return {"function": {"name": call.name, "arguments": call.given}}

    def _frame(self, reply: Reply, text: str, **more: object) -> Json:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return {"model": reply.model, "created_at": now, "message": {"role": "assistant", "content": text, **more}}

    def _counts(self, reply: Reply) -> Json:
        done = {"done": True, "done_reason": "length" if reply.is_cut_short else "stop"}
        durations = {"total_duration": 5_000_000, "load_duration": 1_000_000, "eval_duration": 3_000_000}
        prompt = {"prompt_eval_count": reply.prompt_tokens, "prompt_eval_duration": 1_000_000}
        return done | durations | prompt | {"eval_count": reply.output_tokens}
