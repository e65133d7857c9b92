"""Asking a chain of models until one answers, within its time and, where there is a purse, its money. No vendor, no
database, no prompt text."""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from opentelemetry.trace import Span

from konstruct.errors import ModelsUnavailable, OverBudget
from konstruct.identity import new_id
from konstruct.models import observed, prices
from konstruct.models.calls import are_too_many, read_arguments
from konstruct.models.context import count_calls, count_prompt, count_tokens, fit
from konstruct.models.links import LONGEST_ANSWER
from konstruct.models.spending import Allowance, Spending
from konstruct.ports import (
    ChatMessage,
    ChatModel,
    Completion,
    Cooldowns,
    ModelCallError,
    ModelLink,
    Purse,
    Tokens,
    ToolCall,
    ToolSpec,
)

FIRST_TOKEN_TIMEOUT: Final = 20.0
IDLE_TIMEOUT: Final = 10.0

# Seconds that a link leaves to each one after it, so that a slow model cannot use up everybody's time.
RESERVE: Final = 10.0

# No language has six characters for each token on average; a stream that passes that for all that are allowed is
# broken or hostile.
LONGEST_TEXT: Final = 6 * LONGEST_ANSWER

# Each piece takes this process a third of a millisecond. An honest answer is read as fast as it comes; whoever goes on
# and on is read no faster than a fast model speaks, so that all others here have their turn.
PIECES_AT_ONCE: Final = 500
PIECES_A_SECOND: Final = 200

COOL_DOWN: Final = {
    "refused": timedelta(seconds=15),
    "timeout": timedelta(seconds=30),
    "server": timedelta(seconds=15),
    "cut": timedelta(seconds=10),
    "empty": timedelta(seconds=10),
    "nonsense": timedelta(seconds=10),
    "rate_limited": timedelta(seconds=20),
    "auth": timedelta(minutes=5),
    # The request's own fault: the next one may be fine.
    "bad_request": timedelta(0),
    "context": timedelta(0),
}
LONGEST_COOL_DOWN: Final = timedelta(minutes=10)

# Some models there refuse a request that shows them tools, and nothing tells which before they are asked.
_MAY_TAKE_NO_TOOLS: Final = frozenset({"ollama"})

SPENT: Final = "What is left of the month's budget for models does not hold this call."

# A call that failed so was turned away before the model did any work.
_NOT_BILLED: Final = frozenset({"refused", "rate_limited", "auth", "bad_request", "context", "server"})


@dataclass(frozen=True)
class Answer:
    text: str
    link_name: str
    finish_reason: str
    """``length`` says that the answer stops where the model's limit was."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What the model wants done first; ``text`` may then be empty. Names and arguments are as it wrote them: there may
    be no such tool, and its arguments may be no JSON."""


@dataclass(frozen=True)
class ModelCall:
    """One call, or one that was not made because its link was cooling (``skipped``), for usage and audit."""

    link_name: str
    provider: str
    model: str
    outcome: Literal["ok", "failed", "cancelled", "skipped"]
    started_at: datetime
    error_kind: str | None = None
    tokens: Tokens = field(default_factory=Tokens)
    estimated: bool = False
    """The provider did not say how many tokens it counted, as when a call is cancelled: these are ours."""
    cost: Decimal | None = Decimal(0)
    """US dollars; None when the model's price is not known."""
    latency_ms: int = 0
    first_token_ms: int | None = None
    is_own: bool = False
    """Whether it was made with the tenant's own key."""
    price_version: str | None = None
    is_price_assumed: bool = False
    seconds: Decimal | None = None
    """Of speech that was listened to."""
    hold_id: UUID | None = None
    """What its budget holds for it, until its usage is recorded."""
    call_id: UUID = field(default_factory=new_id, compare=False)
    """Of its row of usage, so that it is counted once, though nobody knows whether a transaction was committed."""


def _unheard(piece: str | None) -> None:
    return None


async def ask(
    model: ChatModel,
    links: Sequence[ModelLink],
    messages: Callable[[ModelLink], Sequence[ChatMessage]],
    cooldowns: Cooldowns,
    record: Callable[[ModelCall], None],
    budget: float,
    *,
    tools: Sequence[ToolSpec] = (),
    may_call: bool = True,
    hear: Callable[[str | None], None] = _unheard,
    purse: Purse | None = None,
    first_token_timeout: float = FIRST_TOKEN_TIMEOUT,
    idle_timeout: float = IDLE_TIMEOUT,
) -> Answer:
    """The first whole answer, from the first link that gives one. Times are seconds.

    ``tools`` are shown to the links that call any, and stay the same for all steps of a turn; in the step that must
    end it, ``may_call`` is False. Without tools, or when none may be called, an answer has text and no calls; its text
    is empty when no link would do anything but call all the same.
    Links that are cooling are turned to only when all others have failed. Each prompt is cut to its
    link's window. ``record`` is told of every call once, cancelled ones included; it must not raise.
    ``hear`` gets each piece of text as it comes, and None when all that was of no answer, because its link failed; it
    must not raise either.
    What a call may cost is held of ``purse`` before it is made, and a link for which too little is left is passed over;
    from then on those that cost nothing are, too, unless they are to stand in for the others.
    Raises ModelsUnavailable when no link answered in time; OverBudget when too little was left for one of them.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + budget
    ready, resting = await _apart(links, cooldowns, record)
    failures: list[tuple[str, str]] = []
    tried: list[_Call] = []
    spending = Spending(purse)
    for group in (ready, resting):
        waiting = list(group)
        while (link := _next(waiting, failures)) is not None and (left := deadline - loop.time()) > 0:
            share = left - len(waiting) * min(RESERVE, left / (len(waiting) + 1))
            shown = tools if link.calls_tools else ()
            prompt = fit(messages(link), link.context_window, link.max_output_tokens, shown)
            allowance = await spending.allow(link, prompt, shown, share)
            if allowance is None:
                failures.append((link.name, "budget"))
                record(_skipped(link, "budget"))
                continue
            call = _Call(link, prompt, shown, may_call and bool(shown), hear, allowance)
            share = min(share, deadline - loop.time())
            try:
                answer = await call.run(model, record, share, first_token_timeout, idle_timeout)
            except ModelCallError as error:
                failures.append((link.name, error.kind))
                tried.append(call)
                # A link that insists is well, and would do the same again after a rest.
                await _cool(
                    cooldowns, link, timedelta(0) if call.insists else error.retry_after or COOL_DOWN[error.kind]
                )
                if error.kind == "bad_request" and shown and link.provider in _MAY_TAKE_NO_TOOLS:
                    waiting.insert(0, replace(link, calls_tools=False))
            else:
                if group is resting:
                    await cooldowns.warm(cooldown_key(link))
                return answer
    if insisting := [call.link.name for call in tried if call.insists]:
        return Answer("", insisting[0], "tool_calls")
    raise OverBudget(SPENT) if spending.is_over else ModelsUnavailable(_sentence(failures))


async def _apart(
    links: Sequence[ModelLink], cooldowns: Cooldowns, record: Callable[[ModelCall], None]
) -> tuple[list[ModelLink], list[ModelLink]]:
    """Those that are ready, and those that are cooling; the latter are skipped as long as there are others."""
    cooling = await cooldowns.cooling([cooldown_key(link) for link in links])
    ready = [link for link in links if cooldown_key(link) not in cooling]
    resting = [link for link in links if cooldown_key(link) in cooling]
    for link in resting if ready else ():
        record(_skipped(link))
    return ready, resting


def _skipped(link: ModelLink, why: str | None = None) -> ModelCall:
    observed.skip(link)
    return ModelCall(link.name, link.provider, link.model, "skipped", datetime.now(UTC), why)


def cooldown_key(link: ModelLink) -> str:
    """The same for everyone who calls this model at this address with this API key, and for nobody else."""
    secret = link.api_key.get_secret_value()
    identity = "\0".join((link.provider, link.base_url, secret, link.model))
    return f"{link.name}:{hashlib.sha256(identity.encode()).hexdigest()[:32]}"


async def _cool(cooldowns: Cooldowns, link: ModelLink, wanted: timedelta) -> None:
    period = min(wanted, LONGEST_COOL_DOWN)
    if period > timedelta(0):
        await cooldowns.cool(cooldown_key(link), period)


def _next(waiting: list[ModelLink], failures: Sequence[tuple[str, str]]) -> ModelLink | None:
    """The turn of what stands in for a tenant's own key comes only when the provider has just refused that one."""
    while waiting:
        link = waiting.pop(0)
        if not link.is_substitute or (link.name, "auth") in failures:
            return link
    return None


def _sentence(failures: Sequence[tuple[str, str]]) -> str:
    if not failures:
        return "No model could be asked: none is configured, or no time was left."
    return f"No model answered: {', '.join(f'{name} ({kind})' for name, kind in failures)}."


@dataclass
class _Call:
    """What is known of one call while it runs, so that its record is whole however it ends."""

    link: ModelLink
    prompt: Sequence[ChatMessage]
    tools: Sequence[ToolSpec]
    may_call: bool
    hear: Callable[[str | None], None]
    allowance: Allowance
    parts: list[str] = field(default_factory=list)
    length: int = 0
    pieces: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    tokens: Tokens | None = None
    answered_by: str | None = None
    first_token_at: float | None = None

    @property
    def insists(self) -> bool:
        """Whether it only called tools that it was shown, although none might be called any more."""
        has_text = bool("".join(self.parts).strip())
        return bool(self.tools and self.tool_calls and self.finish_reason) and not (self.may_call or has_text)

    async def run(
        self,
        model: ChatModel,
        record: Callable[[ModelCall], None],
        share: float,
        first_token_timeout: float,
        idle_timeout: float,
    ) -> Answer:
        with observed.calling(self.link) as span:
            return await self._run(span, model, record, share, first_token_timeout, idle_timeout)

    async def _run(
        self,
        span: Span,
        model: ChatModel,
        record: Callable[[ModelCall], None],
        share: float,
        first_token_timeout: float,
        idle_timeout: float,
    ) -> Answer:
        started = asyncio.get_running_loop().time()
        outcome: Literal["ok", "failed", "cancelled"] = "failed"
        error_kind: str | None = None
        try:
            await self._listen(model, started + share, first_token_timeout, idle_timeout)
            answer = self._judge()
            outcome = "ok"
        except TimeoutError:
            error_kind = "timeout"
            raise ModelCallError("timeout", f"{self.link.name} did not answer in time.") from None
        except ModelCallError as error:
            error_kind = error.kind
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            call = self._record(outcome, error_kind, started)
            observed.note(span, self.link, call.tokens, self.answered_by)
            record(call)
            if error_kind is not None and self.parts:
                self.hear(None)
        return answer

    async def _listen(self, model: ChatModel, end: float, first_token_timeout: float, idle_timeout: float) -> None:
        loop = asyncio.get_running_loop()
        pieces = model.stream(
            self.link,
            self.prompt,
            max_tokens=self.allowance.max_tokens,
            tools=self.tools,
            may_call=self.may_call,
        )
        try:
            async with asyncio.timeout_at(min(end, loop.time() + first_token_timeout)) as limit:
                async for piece in pieces:
                    # A piece without text is a sign of life, as from a model that thinks or writes a call.
                    limit.reschedule(min(end, loop.time() + idle_timeout))
                    self._take(piece, loop.time())
                    self.pieces += 1
                    # Pieces that are here already come without a wait in which others could have theirs.
                    await asyncio.sleep(0 if self.pieces <= PIECES_AT_ONCE else 1 / PIECES_A_SECOND)
        finally:
            # A generator that is left half-way keeps its connection until it is closed.
            await pieces.aclose()

    def _take(self, piece: Completion, now: float) -> None:
        if piece.text or piece.tool_calls:
            self.first_token_at = self.first_token_at or now
        if piece.text:
            self.parts.append(piece.text)
            self.hear(piece.text)
            self.length += len(piece.text)
        self.tool_calls += piece.tool_calls
        self.finish_reason = piece.finish_reason or self.finish_reason
        self.tokens = piece.tokens or self.tokens
        self.answered_by = piece.model or self.answered_by
        if self.length > LONGEST_TEXT:
            raise ModelCallError("nonsense", f"{self.link.name} sent more than {LONGEST_TEXT} characters.")
        if are_too_many(self.tool_calls):
            raise ModelCallError("nonsense", f"{self.link.name} called more tools than can be meant.")

    def _judge(self) -> Answer:
        text = "".join(self.parts).strip()
        name = self.link.name
        # Some servers do not know how to be told that a model may not call.
        calls = self.tool_calls if self.may_call else ()
        if self.finish_reason is None:
            raise ModelCallError("cut", f"{name} stopped in the middle of its answer.")
        if self.finish_reason == "length" and any(read_arguments(call.arguments) is None for call in calls):
            raise ModelCallError("cut", f"{name} reached its limit in the middle of a call.")
        if not calls and not text:
            raise ModelCallError("empty", f"{name} answered nothing.")
        if not calls and not any(character.isprintable() and not character.isspace() for character in text):
            raise ModelCallError("nonsense", f"{name} answered nothing that can be read.")
        # Somebody may ask for a line a hundred times over; then the model stops by itself. One that is
        # caught in a loop is stopped by the limit.
        if self.finish_reason == "length" and _is_loop(text):
            raise ModelCallError("nonsense", f"{name} repeated itself until it was stopped.")
        return Answer(text, name, self.finish_reason, calls)

    def _record(
        self, outcome: Literal["ok", "failed", "cancelled"], error_kind: str | None, started: float
    ) -> ModelCall:
        tokens, estimated = self.tokens, False
        if tokens is None and error_kind in _NOT_BILLED and not self.parts:
            tokens = Tokens()
        elif tokens is None:
            written = count_tokens("".join(self.parts)) + count_calls(self.tool_calls)
            tokens, estimated = Tokens(count_prompt(self.prompt, self.tools), written), True
        now = asyncio.get_running_loop().time()
        return ModelCall(
            link_name=self.link.name,
            provider=self.link.provider,
            model=self.link.model,
            outcome=outcome,
            started_at=self.allowance.begins_at,
            error_kind=error_kind,
            tokens=tokens,
            estimated=estimated,
            cost=prices.cost(self.link, tokens),
            latency_ms=round((now - started) * 1000),
            first_token_ms=None if self.first_token_at is None else round((self.first_token_at - started) * 1000),
            is_own=self.link.is_own,
            price_version=self.link.price_version,
            is_price_assumed=self.link.is_price_assumed,
            hold_id=self.allowance.hold_id,
        )


def _is_loop(text: str) -> bool:
    """Prose shrinks to about half, tables and code to a quarter; a short passage over and over to next to nothing."""
    end = text[-600:].encode()
    return len(end) > 300 and len(zlib.compress(end)) < len(end) / 8
