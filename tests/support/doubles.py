"""The outside world behind the ports, in memory: a model that follows a script and a messenger that remembers."""

import asyncio
import math
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID

from konstruct.errors import EmbeddingUnavailable, NotFound, Unavailable
from konstruct.ports import (
    ApprovalCard,
    ChannelAccount,
    ChatMessage,
    Completion,
    Embedder,
    ModelCallError,
    ModelLink,
    Outgoing,
    OutgoingFile,
    Thread,
    Tokens,
    ToolCall,
    ToolSpec,
)

USED = Tokens(input=1_000, output=100, cached=400)


@dataclass(frozen=True)
class Calling:
    """An answer that calls tools, with or without text beside the calls."""

    calls: tuple[ToolCall, ...]
    text: str = ""


@dataclass
class ScriptedModel:
    """Gives the answers one after the other, the last one for ever; an error among them is raised."""

    answers: deque[str | Calling | ModelCallError] = field(default_factory=lambda: deque(["Hello!"]))
    tokens: Tokens | None = USED
    prompts: list[Sequence[ChatMessage]] = field(default_factory=list)
    shown: list[tuple[list[str], bool]] = field(default_factory=list)
    """For each prompt the names of the tools, and whether any might be called."""
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer_of: Callable[[Sequence[ChatMessage]], str | Calling] | None = None
    """When there is one, it makes each answer of the prompt, and the script waits."""
    may_answer: asyncio.Event | None = None
    """When there is one, an answer stops after its first word until this is set."""

    def script(self, *answers: str | Calling | ModelCallError) -> None:
        self.answers = deque(answers)

    async def stream(
        self,
        link: ModelLink,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
        may_call: bool = True,
    ) -> AsyncGenerator[Completion, None]:
        self.prompts.append(messages)
        self.shown.append(([tool.name for tool in tools], may_call))
        answer: str | Calling | ModelCallError
        if self.answer_of is not None:
            answer = self.answer_of(messages)
        else:
            answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ModelCallError):
            self.is_asked.set()
            raise answer
        text, calls = (answer.text, answer.calls) if isinstance(answer, Calling) else (answer, ())
        first, space, rest = text.partition(" ")
        yield Completion(first)
        self.is_asked.set()
        if self.may_answer is not None:
            await self.may_answer.wait()
        yield Completion(space + rest)
        yield Completion("", "tool_calls" if calls else "stop", self.tokens, calls)


@dataclass
class TalkingModel:
    """Says what a test says, when the test says it. Whoever asked first hears it to its end, and then the next does."""

    said: asyncio.Queue[Completion | ModelCallError] = field(default_factory=asyncio.Queue)
    prompts: list[Sequence[ChatMessage]] = field(default_factory=list)
    _talk: asyncio.Lock = field(default_factory=asyncio.Lock)

    def say(self, text: str) -> None:
        self.said.put_nowait(Completion(text))

    def fail(self) -> None:
        self.said.put_nowait(ModelCallError("cut", "It stopped."))

    def end(self, *calls: ToolCall) -> None:
        self.said.put_nowait(Completion("", "tool_calls" if calls else "stop", USED, calls))

    async def stream(
        self,
        link: ModelLink,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
        may_call: bool = True,
    ) -> AsyncGenerator[Completion, None]:
        self.prompts.append(messages)
        async with self._talk:
            while True:
                said = await self.said.get()
                if isinstance(said, ModelCallError):
                    raise said
                yield said
                if said.finish_reason is not None:
                    return


class NothingCools:
    async def cooling(self, keys: Sequence[str]) -> set[str]:
        return set()

    async def cool(self, key: str, period: timedelta) -> None:
        return None

    async def warm(self, key: str) -> None:
        return None


@dataclass
class NothingWarms:
    """What cools stays so."""

    cool_keys: set[str] = field(default_factory=set)

    async def cooling(self, keys: Sequence[str]) -> set[str]:
        return self.cool_keys & set(keys)

    async def cool(self, key: str, period: timedelta) -> None:
        self.cool_keys.add(key)

    async def warm(self, key: str) -> None:
        self.cool_keys.discard(key)


@dataclass
class KeptWindows:
    """A cache that forgets nothing."""

    kept: dict[UUID, str] = field(default_factory=dict)

    async def get(self, tenant_id: UUID, conversation_id: UUID) -> str | None:
        return self.kept.get(conversation_id)

    async def put(self, tenant_id: UUID, conversation_id: UUID, window: str) -> None:
        self.kept[conversation_id] = window

    async def drop(self, tenant_id: UUID, conversation_ids: Sequence[UUID]) -> bool:
        for conversation_id in conversation_ids:
            self.kept.pop(conversation_id, None)
        return True


@dataclass
class WordEmbedder:
    """A place for each text by the words in it: what shares words is near. Fails while ``is_away``."""

    name: str = "local/words"
    dimensions: int = 64
    is_away: bool = False
    fails_after: int | None = None
    """So many texts are embedded yet."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(purpose, text) of all that was embedded."""

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "passage"]) -> list[list[float]]:
        if self.is_away or (self.fails_after is not None and len(texts) > self.fails_after):
            raise EmbeddingUnavailable("It is away.")
        self.asked += [(purpose, text) for text in texts]
        return [self._place(text) for text in texts]

    def _place(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in text.lower().split():
            vector[zlib.crc32(word.strip(".,?!").encode()) % self.dimensions] += 1.0
        length = math.hypot(*vector) or 1.0
        return [value / length for value in vector] if any(vector) else [1.0, *vector[1:]]


@dataclass
class GivenEmbedders:
    embedders: Mapping[str, Embedder] = field(default_factory=dict)

    def get(self, name: str) -> Embedder | None:
        return self.embedders.get(name)


@dataclass
class KeptFiles:
    """A store that is away while it is told to be."""

    kept: dict[str, bytes] = field(default_factory=dict)
    is_away: bool = False

    async def put(self, key: str, content: bytes) -> None:
        self._answer()
        self.kept[key] = content

    async def get(self, key: str) -> bytes:
        self._answer()
        if key not in self.kept:
            raise NotFound("It is not kept.")
        return self.kept[key]

    async def delete(self, key: str) -> None:
        self._answer()
        self.kept.pop(key, None)

    def _answer(self) -> None:
        if self.is_away:
            raise Unavailable("It is away.")


@dataclass
class GivenFiles:
    """A channel that has files by their references. An error among them is raised, once."""

    files: dict[str, bytes | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def fetch(self, account: ChannelAccount, reference: str, *, most_bytes: int) -> AsyncIterator[bytes]:
        self.asked.append(reference)
        content = self.files[reference]
        if isinstance(content, Exception):
            self.files[reference] = b"It is here now."
            raise content
        yield content[:10]
        yield content[10:]


@dataclass
class RecordingMessenger:
    """A channel that keeps what it was told, in order; ``troubles`` are raised by the next sends, one each."""

    told: list[tuple[Literal["send", "find", "thinking", "idle"], str]] = field(default_factory=list)
    """What was done, with the text of a message or the root of a thread."""
    accounts: list[ChannelAccount] = field(default_factory=list)
    files: list[OutgoingFile] = field(default_factory=list)
    """What came along with messages."""
    cards: dict[str, ApprovalCard] = field(default_factory=dict)
    """Approvals as they are shown now, by the channel's id of each."""
    troubles: deque[Exception] = field(default_factory=deque)
    arrived: dict[str, str] = field(default_factory=dict)
    """Texts that the channel has, with its id of each; one put here arrived though its send did not say so."""
    is_thinking: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def sent(self) -> list[str]:
        return [text for what, text in self.told if what == "send"]

    def split(self, text: str) -> list[str]:
        return text.split("\n\n")

    async def send(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
        self.accounts.append(account)
        self.told.append(("send", message.text))
        self.files += [message.file] if message.file is not None else []
        if self.troubles:
            raise self.troubles.popleft()
        return self.arrived.setdefault(message.text, f"sent-{message.message_id}")

    async def find(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str | None:
        self.told.append(("find", message.text))
        return self.arrived.get(message.text)

    async def show_thinking(self, account: ChannelAccount, thread: Thread) -> None:
        self.told.append(("thinking", thread.root))
        self.is_thinking.set()

    async def show_idle(self, account: ChannelAccount, thread: Thread) -> None:
        self.told.append(("idle", thread.root))

    async def show_approval(self, account: ChannelAccount, channel: str, card: ApprovalCard) -> str:
        self.accounts.append(account)
        if self.troubles:
            raise self.troubles.popleft()
        shown = f"{channel}-card-{card.approval_id}"
        self.cards[shown] = card
        return shown

    async def renew_approval(self, account: ChannelAccount, channel: str, external_id: str, card: ApprovalCard) -> None:
        if self.troubles:
            raise self.troubles.popleft()
        self.cards[external_id] = card
