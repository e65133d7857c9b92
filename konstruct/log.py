"""Structured logs: lines for people or JSON, with secrets blacked out wherever they turn up."""

import logging
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

from konstruct.observing import traces
from konstruct.settings import Settings

_SECRETS = re.compile(
    r"(xox[a-z]-|xapp-|sk-|[sr]k_(?:live|test)_|whsec_|EAA|kst_)[A-Za-z0-9_-]{6,}|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{6,}|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)


def redact(text: str) -> str:
    return _SECRETS.sub("[redacted]", text)


class _Unfailing:
    """Takes what is written as far as there is room, and says nothing of the rest: nobody's message may fail because a
    line about it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def configure(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """Everything that logs in this process, libraries included, comes out in one shape."""
    unfailing = cast(TextIO, _Unfailing(stream))
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_all,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(unfailing),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(unfailing)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _name_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {**event, **traces.ids()}


def _redact_all(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: _redacted(value) for key, value in event.items()}


def _redacted(value: object) -> object:
    match value:
        case str():
            return redact(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {key: _redacted(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(item) for item in value]
    # As both renderers would write it.
    return redact(repr(value))
