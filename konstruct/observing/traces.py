"""Spans, as the product makes them: what was done, for how long, and how it failed; never what was said.

An exception is known by its name alone, since its text may quote anything.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

TENANT: Final = "konstruct.tenant_id"
CONVERSATION: Final = "konstruct.conversation_id"
ERROR: Final = "error.type"

_tracer = trace.get_tracer("konstruct")


def name_of(error: BaseException) -> str:
    return type(error).__name__


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    parent: Context | None = None,
    error_type: Callable[[BaseException], str] = name_of,
) -> Iterator[Span]:
    """The current one for what is done inside. ``parent``: where it comes from elsewhere. ``error_type``: what an
    exception is called."""
    with _tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=attributes,
        # Both would keep the exception's text.
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute(ERROR, error_type(error))
            # Somebody wanted no more of it, which is no failure.
            if not isinstance(error, asyncio.CancelledError):
                current.set_status(StatusCode.ERROR)
            raise


def ids() -> dict[str, str]:
    """Of the trace and the span that are current, as log lines name them; empty where there is none."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}
