"""Where traces go: by OTLP over HTTP to whom the OTEL_* variables of the environment name, or nowhere.

Spans are exported from a thread of its own and dropped where nobody takes them, so that nothing waits for a collector.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from konstruct import __version__

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_LAST_WORDS: Final = 3.0
"""Seconds that a process which ends gives its collector."""
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
_LONGEST_EXPORT: Final = 5
"""Seconds that one request to a collector may take where no variable says otherwise."""

log = structlog.get_logger(__name__)


def is_wanted() -> bool:
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not is_off and bool(os.environ.get(ENDPOINT) or os.environ.get(TRACES_ENDPOINT))


@asynccontextmanager
async def exporting(service: str) -> AsyncIterator[None]:
    """Until it ends, spans of this process are exported. ``service``: what it is called where OTEL_SERVICE_NAME says
    nothing. To be entered once in a process, since its tracer provider is set for good."""
    if not is_wanted():
        yield
        return
    name = os.environ.get("OTEL_SERVICE_NAME") or service
    provider = TracerProvider(
        resource=Resource.create({"service.name": name, "service.version": __version__}), shutdown_on_exit=False
    )
    said = any(os.environ.get(variable) for variable in _TIMEOUTS)
    exporter = OTLPSpanExporter() if said else OTLPSpanExporter(timeout=_LONGEST_EXPORT)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    log.info("traces_exported", service=name)
    try:
        yield
    finally:
        # What a collector does not take by then is lost, and the thread ends with the process.
        flushing = Thread(target=provider.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, _LAST_WORDS)
