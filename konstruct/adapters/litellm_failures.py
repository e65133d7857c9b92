"""What went wrong with a call of litellm's, in our words: in its own there are internal addresses and parts of keys."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Final, Literal

import httpx
from litellm.exceptions import ContextWindowExceededError

from konstruct.ports import ModelCallError, ModelLink

Kind = Literal[
    "refused", "timeout", "rate_limited", "auth", "bad_request", "context", "server", "cut", "empty", "nonsense"
]

_REFUSALS: Final[dict[int, Kind]] = {401: "auth", 402: "auth", 403: "auth", 408: "timeout", 429: "rate_limited"}
# What Anthropic and OpenAI say of an account without credit, under statuses that mean something else. A rest of seconds
# does not help, and whoever pays has to hear of it.
_OUT_OF_CREDIT: Final = ("insufficient_quota", "credit balance is too low")


def failure(link: ModelLink, error: Exception, *, answering: bool) -> ModelCallError:
    kind, told = judged(error, answering=answering)
    retry_after = _retry_after(error) if kind in ("rate_limited", "server") else None
    return ModelCallError(kind, f"{link.name}: {told}.", retry_after)


def judged(error: Exception, *, answering: bool) -> tuple[Kind, str]:
    """What happened, and a few words on it."""
    causes = list(islice(_causes(error), 20))
    status = _status(error, causes)
    kind = _kind(causes, status, answering=answering)
    return kind, f"{kind} ({type(error).__name__}, status {status})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "original_exception", None) or error.__cause__ or error.__context__


def _status(error: Exception, causes: Sequence[BaseException]) -> int | None:
    """What the provider answered, or else what litellm makes of it; that is 500 for most broken connections."""
    for cause in causes:
        if isinstance(cause, httpx.HTTPStatusError):
            return cause.response.status_code
    if any(isinstance(cause, httpx.TransportError | ValueError) for cause in causes):
        return None
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _kind(causes: Sequence[BaseException], status: int | None, *, answering: bool) -> Kind:
    if any(isinstance(cause, ContextWindowExceededError) for cause in causes):
        return "context"
    if status is None:
        by_cause: tuple[tuple[type[BaseException], Kind], ...] = (
            (httpx.TimeoutException, "timeout"),
            (httpx.ConnectError, "refused"),
            (httpx.TransportError, "cut"),
            (TimeoutError, "timeout"),
        )
        return next((kind for type_, kind in by_cause if any(isinstance(c, type_) for c in causes)), "nonsense")
    if status in (400, 429) and any(mark in str(cause) for cause in causes for mark in _OUT_OF_CREDIT):
        return "auth"
    # A request that was let in is no bad request: the provider broke down over its answer.
    if 400 <= status < 500 and not answering:
        return _REFUSALS.get(status, "bad_request")
    return "server"


def _retry_after(error: Exception) -> timedelta | None:
    """The header's two forms, seconds and a date (RFC 9110, 10.2.3)."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    value = headers.get("retry-after", "")
    try:
        return timedelta(seconds=max(float(value), 0.0))
    except (ValueError, OverflowError):
        pass
    try:
        return max(parsedate_to_datetime(value) - datetime.now(UTC), timedelta(0))
    except (ValueError, TypeError):
        return None
