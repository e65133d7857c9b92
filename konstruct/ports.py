"""The outside world as the core sees it: Protocols and the values that cross them. No implementation here."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import SecretStr

from konstruct.identity import ConnectionId, MessageId, TenantId

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a model is shown it."""

    name: str
    """Letters, digits, hyphens and underscores, at most 64: what every provider takes."""
    description: str
    """Of more than 1,024 characters, which is what OpenAI takes, the end is left out."""
    parameters: Mapping[str, Any] = field(repr=False)
    """JSON Schema of an object."""


@dataclass(frozen=True)
class ToolCall:
    """What a model wants to have done."""

    id: str
    """The model's own; a result names it."""
    name: str
    arguments: str = field(repr=False)
    """As the model wrote it: JSON text of an object if all is well, and anything at all if not."""


@dataclass(frozen=True)
class Image:
    """Small enough for every model that looks at any."""

    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class ChatMessage:
    """``images`` only of the user, ``tool_calls`` only of the assistant; a message of role ``tool`` is the result of
    the call ``tool_call_id``.

    Providers refuse a call without its result: those of all its calls come right after the assistant's message.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    images: tuple[Image, ...] = ()


@dataclass(frozen=True)
class ModelLink:
    """One place in a chain of models: which model, where, with whose key. Never logged."""

    name: str
    """As people write it: provider/model, e.g. ``anthropic/claude-sonnet-4-5``."""
    provider: Literal["anthropic", "openai", "ollama", "local"]
    model: str
    base_url: str
    api_key: SecretStr
    context_window: int
    """Tokens, prompt and answer together."""
    max_output_tokens: int
    input_price: Decimal = Decimal(0)
    """US dollars for a million tokens."""
    output_price: Decimal = Decimal(0)
    cached_price: Decimal = Decimal(0)
    price_version: str | None = None
    """Which price map these are from."""
    is_price_assumed: bool = False
    """No price map has the model: the deployment's setting says what it costs."""
    calls_tools: bool = True
    """One that cannot is never shown tools, and reads earlier calls and their results as text."""
    sees_images: bool = False
    """One that does not must never be sent any."""
    is_own: bool = False
    """Whether key and address are the tenant's own."""
    is_guarded: bool = False
    """Whether the tenant gave the address, which then is asked as all addresses are that somebody gave."""
    is_substitute: bool = False
    """It is asked only when the provider has just refused the tenant's own key for the same model."""


@dataclass(frozen=True)
class Tokens:
    input: int = 0
    """All prompt tokens, cached ones included."""
    output: int = 0
    cached: int = 0


@dataclass(frozen=True)
class Completion:
    """What one stream yields, in order: text pieces, then one last piece that says how it ended."""

    text: str = ""
    finish_reason: str | None = None
    """None in all pieces but the last; a stream that ends without one was cut."""
    tokens: Tokens | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    """In the last piece alone, whole, and in the model's order."""
    model: str | None = None
    """Which one answered, as the provider calls it; in the last piece, where it says so."""


class ModelCallError(Exception):
    """A model did not answer as it should. ``kind`` is for the record and decides nothing but cool-down."""

    def __init__(
        self,
        kind: Literal[
            "refused", "timeout", "rate_limited", "auth", "bad_request", "context", "server", "cut", "empty", "nonsense"
        ],
        message: str,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


class ChatModel(Protocol):
    """One call to one model. Never retries, never falls back; raises ModelCallError and nothing else."""

    def stream(
        self,
        link: ModelLink,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
        may_call: bool = True,
    ) -> AsyncGenerator[Completion, None]:
        """``tools``: also those of earlier calls in ``messages``, when the model may not call any more."""


class Cooldowns(Protocol):
    """Which model links are to be left alone for now, shared by all workers. Never raises, never slow."""

    async def cooling(self, keys: Sequence[str]) -> set[str]: ...

    async def cool(self, key: str, period: timedelta) -> None: ...

    async def warm(self, key: str) -> None: ...


@dataclass(frozen=True)
class Held:
    """What one call may cost at most: so much of the budgets is left for it."""

    hold_id: UUID | None
    """None where no budget is concerned, and nothing is held."""
    amount: Decimal
    at: datetime
    """When the call begins, by which its month is told."""


class Purse(Protocol):
    """What budgets have left for calls that are paid for. What is held is settled by whoever records the call."""

    @property
    def falls_to_free(self) -> bool:
        """Whether models that cost nothing are to stand in for others once a budget is spent."""

    async def hold(self, least: Decimal, enough: Decimal, most: Decimal, *, lasts: float, patience: float) -> Held:
        """``most`` of US dollars; where that is not left ``enough``, or all that is left, if that is ``least``. Times
        are seconds.

        Args:
            lasts: The longest that the call takes.
            patience: How long it is waited for others' calls to be settled, where what is held for them is in the way
                of what is enough.

        Raises:
            OverBudget: Not even ``least`` is left.
            ModelsUnavailable: It is, but for what is held for others.
        """


class Embedder(Protocol):
    """Texts to vectors of one model. Never retries; raises EmbeddingUnavailable and nothing else."""

    @property
    def name(self) -> str:
        """As people write it, provider/model; stored with each vector, for no two models' vectors compare."""

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "passage"]) -> list[list[float]]:
        """One vector a text, in the texts' order, all of the same length; no text is too long or too odd.

        A question is a ``query``, and what may answer it a ``passage``: some models tell them apart.
        """


class Embedders(Protocol):
    """The embedders that this deployment can make, by name."""

    def get(self, name: str) -> Embedder | None:
        """None: its provider is not configured here (any more). Raises BadInput for what is no such name."""


@dataclass(frozen=True)
class ChannelAccount:
    """A connection as a messenger needs it, with its secrets opened. Lives for one call, is never logged."""

    tenant_id: TenantId
    connection_id: ConnectionId
    kind: str
    is_active: bool
    team_id: str
    bot_user_id: str
    bot_id: str
    secrets: dict[str, SecretStr] = field(repr=False)
    external: Mapping[str, str | None] = field(default_factory=dict)
    """What the channel calls the account's parts, e.g. ``phone_number_id``."""
    functions: tuple[str, ...] = ()
    """What the business offers there, and nothing else; without any it is not held to them."""


@dataclass(frozen=True)
class Thread:
    """Where in a channel a conversation lives. For Slack: channel id and the root message's ts."""

    channel: str
    root: str
    contact_external_id: str
    latest: str = ""
    """The channel's id of the latest message of a contact, where it matters."""


@dataclass(frozen=True)
class OutgoingFile:
    name: str
    media_type: str
    """As its content was found to be, not as its name says."""
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Button:
    """Pressed, it comes back as a message of the contact's that reads as the title."""

    id: str
    title: str


@dataclass(frozen=True)
class Template:
    """A text that the channel has approved beforehand: all that it takes once its reply window is closed."""

    name: str
    language: str
    values: tuple[str, ...] = field(default=(), repr=False)
    """What its places are filled with, in order."""


@dataclass(frozen=True)
class Outgoing:
    """One message, small enough for the channel, as ``Messenger.split`` made it."""

    message_id: MessageId
    """Our id; travels with the message so that an uncertain send can be found again."""
    text: str
    author_name: str
    author_role: str
    created_at: datetime
    file: OutgoingFile | None = None
    """Sent with the text below it."""
    buttons: tuple[Button, ...] = ()
    """Below the text, where the channel has such."""
    template: Template | None = None
    """Sent in the place of everything else."""
    reply_to: str | None = None
    """The channel's id of the message that it answers, where the channel shows such."""
    is_notice: bool = False
    """It tells something and answers nothing."""


@dataclass(frozen=True)
class ApprovalCard:
    """What people are asked to decide, or were. All of its text may have been written by strangers."""

    approval_id: UUID
    fingerprint: str
    employee: str
    tool: str
    reason: str = field(repr=False)
    arguments: str = field(repr=False)
    """JSON, indented, whole: nothing may be decided on a part of it."""
    expires_at: datetime
    outcome: str = ""
    """A sentence, once there is nothing left to decide."""


class Messenger(Protocol):
    """One channel kind. Methods raise ChannelError's subclasses and nothing else; none of them retries."""

    def split(self, text: str) -> list[str]:
        """Cuts an answer (Markdown) into parts that the channel takes, made harmless; never empty."""

    async def send(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
        """Sends one part; returns the channel's id of it."""

    async def find(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str | None:
        """The channel's id of a message whose send was uncertain; None when it is certainly not there."""

    async def show_thinking(self, account: ChannelAccount, thread: Thread) -> None: ...

    async def show_idle(self, account: ChannelAccount, thread: Thread) -> None: ...

    async def show_approval(self, account: ChannelAccount, channel: str, card: ApprovalCard) -> str:
        """Asks whoever reads the channel; returns the channel's id of the card."""

    async def renew_approval(self, account: ChannelAccount, channel: str, external_id: str, card: ApprovalCard) -> None:
        """Shows the card as it is now. The same again does no harm."""


@dataclass(frozen=True)
class Limit:
    """``amount`` messages in ``period``, as a bucket of that size which refills evenly."""

    amount: int
    period: timedelta


@dataclass(frozen=True)
class Verdict:
    """What the limiter says of one message."""

    allowed: bool
    scope: str = ""
    """Which limit was hit: tenant, connection or contact; empty when allowed."""
    retry_after: timedelta = timedelta(0)
    tell: bool = False
    """Whether this refusal is the one of its window that the contact is told about."""


class Limiter(Protocol):
    """All buckets or none, in one step. The same message asked twice is charged once. Never raises, never slow."""

    async def check(self, message_key: str, buckets: Sequence[tuple[str, str, Limit]]) -> Verdict:
        """``buckets``: (scope, key, limit) each; keys carry the tenant's id."""

    @property
    def degraded(self) -> bool:
        """True while Redis does not answer and the in-process limit has taken over."""


class Windows(Protocol):
    """Sealed copies of conversations' windows, shared by all workers. Never raises, never slow; may forget anything."""

    async def get(self, tenant_id: UUID, conversation_id: UUID) -> str | None: ...

    async def put(self, tenant_id: UUID, conversation_id: UUID, window: str) -> None: ...

    async def drop(self, tenant_id: UUID, conversation_ids: Sequence[UUID]) -> bool:
        """Whether they are certainly gone."""


@dataclass(frozen=True)
class Mail:
    message_id: UUID
    """Ours; the same mail sent again has the same, and so the same Message-ID."""
    to: tuple[str, ...]
    """Bare addresses, who see one another."""
    subject: str = field(repr=False)
    text: str = field(repr=False)


class Mailer(Protocol):
    """Mails in the deployment's name. Never retries."""

    async def send(self, mail: Mail) -> None:
        """It is sent when the server takes it for one of the addresses at least; those it refuses are left out.

        Raises:
            MailUnavailable: it may be tried again, and may have been sent.
            MailRefused: trying again will not help.
        """
