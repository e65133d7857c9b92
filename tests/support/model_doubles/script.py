"""What calls there were, and how the next ones are to go. Knows no wire format."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from tests.support.model_doubles.behaviour import Behaviour, Json
from tests.support.model_doubles.talk import turn

Provider = Literal["openai", "anthropic", "ollama", "local"]


@dataclass(eq=False)
class ModelCall:
    """One request to a model, as it arrived, and how it went."""

    provider: Provider
    key: str | None
    body: Json
    """Everything that was asked for, parameters included."""
    at: float
    """Monotonic seconds; one clock for all processes of a machine."""
    outcome: Literal["running", "refused", "answered", "broken", "disconnected"] = "running"
    """``disconnected``: the client went away before the end. ``broken``: we did, as told."""
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def model(self) -> str | None:
        return self.body.get("model")

    @property
    def messages(self) -> list[Json]:
        """As sent: Anthropic's system prompt is in ``body["system"]``."""
        return self.body.get("messages") or []

    @property
    def tool_names(self) -> list[str]:
        """Of the tools that the model was shown."""
        return [tool.get("function", tool)["name"] for tool in self.body.get("tools") or []]


@contextmanager
def ending(call: ModelCall) -> Iterator[None]:
    """Around the answer to a call: notices a client that goes away, and says when it is over."""
    try:
        yield
    except (asyncio.CancelledError, ConnectionResetError):
        if call.outcome == "running":
            call.outcome = "disconnected"
        raise
    finally:
        call.over.set()


class Script:
    def __init__(self) -> None:
        self.calls: list[ModelCall] = []
        self._standing: defaultdict[Provider, Behaviour] = defaultdict(Behaviour)
        self._queued: defaultdict[Provider, deque[Behaviour]] = defaultdict(deque)
        self._awaited: list[tuple[Provider, str, Behaviour]] = []
        self._turns: list[tuple[Provider, str, tuple[Behaviour, ...]]] = []
        self._changed = asyncio.Condition()

    def always(self, provider: Provider, behaviour: Behaviour) -> Behaviour:
        self._standing[provider] = behaviour
        return behaviour

    def next(self, provider: Provider, *behaviours: Behaviour) -> None:
        """For the next calls, one each; afterwards the standing behaviour rules again."""
        self._queued[provider].extend(behaviours)

    def when(self, provider: Provider, text: str, behaviour: Behaviour) -> None:
        """For the next call that holds this text, whatever others come before it."""
        self._awaited.append((provider, text, behaviour))

    def turns(self, provider: Provider, text: str, *steps: Behaviour) -> None:
        """For all calls about a question that holds this text: the first step until tools were called for it once,
        then the second, and so on; the last one for ever. Which it is is read from the call, so that it may be made
        again, by another provider too, without using anything up."""
        self._turns.append((provider, text, steps))

    async def begin(self, call: ModelCall) -> Behaviour:
        """Puts a call that has arrived on record; returns how it is to go."""
        self.calls.append(call)
        async with self._changed:
            self._changed.notify_all()
        body = json.dumps(call.body, ensure_ascii=False)
        for awaited in self._awaited:
            if awaited[0] == call.provider and awaited[1] in body:
                self._awaited.remove(awaited)
                return awaited[2]
        question, made = turn(call.messages)
        for provider, text, steps in self._turns:
            if provider == call.provider and text in question:
                return steps[min(made, len(steps) - 1)]
        queued = self._queued[call.provider]
        return queued.popleft() if queued else self._standing[call.provider]

    def calls_to(self, provider: Provider) -> list[ModelCall]:
        return [call for call in self.calls if call.provider == provider]

    async def wait_for_call(
        self, count: int = 1, *, provider: Provider | None = None, timeout: float = 20.0
    ) -> ModelCall:
        """The call with that number, counted from one, as soon as it has arrived."""

        def arrived() -> list[ModelCall]:
            return self.calls_to(provider) if provider else self.calls

        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: len(arrived()) >= count)
        except TimeoutError:
            seen = [(call.provider, call.outcome) for call in self.calls]
            raise AssertionError(f"no {count} calls to {provider or 'any model'} within {timeout} s: {seen}") from None
        return arrived()[count - 1]
