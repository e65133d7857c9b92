"""Spans that this process makes, for a test that looks at them. Once something records them, they are real spans."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class Spans(SpanExporter):
    """Those that have ended, oldest first."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []
        self.is_kept = False
        self._news = asyncio.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.is_kept:
            self.ended += spans
            self._news.set()
        return SpanExportResult.SUCCESS

    async def wait_for(self, name: str, count: int = 1) -> list[ReadableSpan]:
        """So many that are called so, of what this event loop does."""
        async with asyncio.timeout(20):
            while len(self.called(name)) < count:
                self._news.clear()
                await self._news.wait()
        return self.called(name)

    def called(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.ended if span.name == name]


@cache
def _recorded() -> Spans:
    """A process has one provider, for good."""
    spans, provider = Spans(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    return spans


@contextmanager
def kept_spans() -> Iterator[Spans]:
    spans = _recorded()
    spans.ended, spans.is_kept = [], True
    try:
        yield spans
    finally:
        spans.ended, spans.is_kept = [], False


def parent_of(span: ReadableSpan) -> str:
    """Its trace and span, as a traceparent names them; empty where it has none."""
    return f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" if span.parent is not None else ""
