"""Calls of models as whoever watches the product sees them: who was asked, for how long, and for how many tokens.

By the conventions of OpenTelemetry for generative AI. What was said, and what was answered, is in none of it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.trace import Span, SpanKind

from konstruct.models import prices
from konstruct.models.links import DEFAULT_MODELS
from konstruct.observing import metrics, traces
from konstruct.ports import ModelCallError, ModelLink, Tokens

_named: Final = set(DEFAULT_MODELS)


def name(models: Iterable[str]) -> None:
    """Has metrics name these, ``provider/model``, besides those that have a price. Tenants may name any model there is,
    and all others are one in metrics."""
    _named.update(models)


@contextmanager
def calling(link: ModelLink) -> Iterator[Span]:
    """Around one call: its span, and its count."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": link.provider,
        "gen_ai.request.model": link.model,
    }
    labels = {"provider": link.provider, "model": _label(link)}
    with (
        traces.span(f"chat {link.model}", SpanKind.CLIENT, attributes, error_type=_error_type) as span,
        metrics.measured(metrics.MODEL_CALLS, metrics.MODEL_SECONDS, **labels),
    ):
        yield span


def note(span: Span, link: ModelLink, tokens: Tokens, answered_by: str | None) -> None:
    """What a call came to. ``answered_by``: the model, as the provider called it."""
    span.set_attribute("gen_ai.usage.input_tokens", tokens.input)
    span.set_attribute("gen_ai.usage.output_tokens", tokens.output)
    if answered_by is not None:
        span.set_attribute("gen_ai.response.model", answered_by)
    for kind, many in (("input", tokens.input), ("output", tokens.output)):
        metrics.MODEL_TOKENS.labels(link.provider, _label(link), kind).inc(many)


def skip(link: ModelLink) -> None:
    """It was passed over without being asked."""
    metrics.MODEL_CALLS.labels(link.provider, _label(link), "skipped").inc()


def _label(link: ModelLink) -> str:
    is_known = f"{link.provider}/{link.model}" in _named or link.model in prices.MODELS.get(link.provider, {})
    return link.model if is_known else metrics.OTHER


def _error_type(error: BaseException) -> str:
    return error.kind if isinstance(error, ModelCallError) else traces.name_of(error)
