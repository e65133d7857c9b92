"""What goes out over HTTP: a span for each request, which knows the host, and no path, query or body.

A path may hold a telephone number or the name of a file. The trace is not told to those who are asked.
"""

from types import SimpleNamespace

import aiohttp
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from konstruct.observing import traces

_tracer = trace.get_tracer("konstruct")


def traced() -> aiohttp.TraceConfig:
    """For a session whose every request is to be a span."""
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_begin)
    config.on_request_end.append(_end)
    config.on_request_exception.append(_fail)
    return config


async def _begin(_: aiohttp.ClientSession, context: SimpleNamespace, asked: aiohttp.TraceRequestStartParams) -> None:
    attributes: dict[str, str | int] = {
        "http.request.method": asked.method,
        "server.address": asked.url.host or "",
        "server.port": asked.url.port or 0,
    }
    context.span = _tracer.start_span(asked.method, kind=SpanKind.CLIENT, attributes=attributes)


async def _end(_: aiohttp.ClientSession, context: SimpleNamespace, answered: aiohttp.TraceRequestEndParams) -> None:
    span: Span = context.span
    status = answered.response.status
    span.set_attribute("http.response.status_code", status)
    if status >= 400:
        span.set_attribute(traces.ERROR, str(status))
        span.set_status(StatusCode.ERROR)
    span.end()


async def _fail(
    _: aiohttp.ClientSession, context: SimpleNamespace, failed: aiohttp.TraceRequestExceptionParams
) -> None:
    span: Span = context.span
    span.set_attribute(traces.ERROR, traces.name_of(failed.exception))
    span.set_status(StatusCode.ERROR)
    span.end()
