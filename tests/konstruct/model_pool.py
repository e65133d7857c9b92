"""A chain of models that are scripts behind the port, with everything that asking it needs."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from pydantic import SecretStr

from konstruct.models import Answer, ModelCall, ask
from konstruct.ports import ChatMessage, Completion, ModelCallError, ModelLink, Purse, Tokens, ToolSpec

Script = Callable[[], AsyncGenerator[Completion, None]]

PROMPT = [ChatMessage("system", "You are Ada."), ChatMessage("user", "Hello")]
USED = Tokens(input=1_000, output=10, cached=400)


def link(name: str, *, key: str = "key", base_url: str = "http://127.0.0.1:1") -> ModelLink:
    prices = (Decimal(3), Decimal(15), Decimal("0.3"))
    return ModelLink(name, "openai", name.partition("/")[2], base_url, SecretStr(key), 8_000, 500, *prices)


A, B, C = link("openai/a"), link("openai/b"), link("openai/c")


def says(*parts: str, finish: str | None = "stop", tokens: Tokens | None = USED) -> Script:
    async def script() -> AsyncGenerator[Completion, None]:
        for part in parts:
            yield Completion(part)
        if finish:
            yield Completion(finish_reason=finish, tokens=tokens)

    return script


def fails(error: ModelCallError, *, after: str = "") -> Script:
    async def script() -> AsyncGenerator[Completion, None]:
        if after:
            yield Completion(after)
        raise error

    return script


@dataclass
class Hanging:
    """Says its parts, then nothing for ever."""

    parts: tuple[str, ...] = ()
    is_silent: asyncio.Event = field(default_factory=asyncio.Event)
    is_closed: bool = False

    async def __call__(self) -> AsyncGenerator[Completion, None]:
        try:
            for part in self.parts:
                yield Completion(part)
            self.is_silent.set()
            await asyncio.Event().wait()
        finally:
            self.is_closed = True


@dataclass
class ScriptedModel:
    scripts: dict[str, Script]
    prompts: list[tuple[str, Sequence[ChatMessage], int]] = field(default_factory=list)
    shown: list[tuple[Sequence[ToolSpec], bool]] = field(default_factory=list)
    """Tools, and whether any might be called, of each prompt."""

    async def stream(
        self,
        link: ModelLink,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
        may_call: bool = True,
    ) -> AsyncGenerator[Completion, None]:
        self.prompts.append((link.name, messages, max_tokens))
        self.shown.append((tools, may_call))
        async for piece in self.scripts[link.name]():
            yield piece


@dataclass
class RememberedCooldowns:
    cooled: dict[str, timedelta] = field(default_factory=dict)

    async def cooling(self, keys: Sequence[str]) -> set[str]:
        return set(keys) & self.cooled.keys()

    async def cool(self, key: str, period: timedelta) -> None:
        self.cooled[key] = period

    async def warm(self, key: str) -> None:
        self.cooled.pop(key, None)


@dataclass
class Pool:
    """A chain with everything it needs, and what it recorded."""

    scripts: dict[str, Script]
    links: Sequence[ModelLink] = (A, B, C)
    cooldowns: RememberedCooldowns = field(default_factory=RememberedCooldowns)
    calls: list[ModelCall] = field(default_factory=list)
    heard: list[str | None] = field(default_factory=list)
    budget: float = 30.0
    first_token_timeout: float = 30.0
    idle_timeout: float = 30.0
    messages: Sequence[ChatMessage] = tuple(PROMPT)
    tools: Sequence[ToolSpec] = ()
    may_call: bool = True
    purse: Purse | None = None

    def __post_init__(self) -> None:
        self.model = ScriptedModel(self.scripts)

    async def ask(self) -> Answer:
        return await ask(
            self.model,
            self.links,
            lambda link: self.messages,
            self.cooldowns,
            self.calls.append,
            self.budget,
            tools=self.tools,
            may_call=self.may_call,
            hear=self.heard.append,
            purse=self.purse,
            first_token_timeout=self.first_token_timeout,
            idle_timeout=self.idle_timeout,
        )

    @property
    def outcomes(self) -> list[tuple[str, str, str | None]]:
        return [(call.link_name, call.outcome, call.error_kind) for call in self.calls]
