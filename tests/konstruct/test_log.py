import io
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from konstruct import log
from konstruct.observing import traces
from konstruct.settings import Settings
from tests.support.spans import Spans

# The text as it may turn up in a log, and the part of it that must not.
CANARIES = {
    "a bot token": ("token xoxb-1234-canarycanary", "canarycanary"),
    "an app-level token": ("xapp-1-A012-canarycanary", "canarycanary"),
    "a user token": ("xoxp-1234-canarycanary.", "canarycanary"),
    "a rotating token": ("xoxe.xoxb-1-canarycanary", "canarycanary"),
    "an OpenAI key": ("Incorrect API key: sk-proj-canarycanary", "canarycanary"),
    "an Anthropic key": ("x-api-key=sk-ant-api03-canary_canary-AA", "canary_canary"),
    "a webhook secret": ("whsec_canarycanary", "canarycanary"),
    "a key of Stripe's": ("Invalid API Key provided: sk_test_canarycanary", "canarycanary"),
    "a restricted live key of Stripe's": ("rk_live_canarycanary", "canarycanary"),
    "an API key of ours": ("key kst_canary-canary_canary", "canary"),
    "a bearer token": ("Authorization: Bearer canary.canary/canary+canary==", "canary"),
    "a bearer token in lower case": ("authorization: bearer canarycanary", "canarycanary"),
    "a database password": ("postgresql://konstruct_app:canarycanary@db.internal/konstruct", "canarycanary"),
    "a driver's database password": ("postgresql+asyncpg://app:canary%40@db:5432/k?ssl=on", "canary"),
    "a Redis password": ("redis://:canarycanary@cache:6379/0", "canarycanary"),
}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=handlers, level=level, force=True)


def written(log_format: str) -> io.StringIO:
    stream = io.StringIO()
    log.configure(Settings(log_format=log_format), stream)
    return stream


@pytest.mark.parametrize("name", CANARIES)
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_secret_is_written(log_format: str, name: str) -> None:
    text, secret = CANARIES[name]
    stream = written(log_format)
    structlog.get_logger().info(text, field=text, number=7)
    structlog.get_logger().info("nested", fields={"headers": [text]}, pair=(text, 1))
    logging.getLogger("library").warning("It said: %s", text)
    logging.getLogger("library").warning("It said so in %r", {"body": text})
    for logger in (structlog.get_logger(), logging.getLogger("library")):
        try:
            try:
                raise ValueError(text)
            except ValueError as error:
                raise RuntimeError(f"Later: {text}") from error
        except RuntimeError:
            logger.exception("broken")

    lines = stream.getvalue()
    assert "RuntimeError" in lines
    assert "ValueError" in lines
    assert "[redacted]" in lines
    assert secret not in lines


def test_the_rest_of_an_address_stays_to_be_read() -> None:
    assert log.redact("postgresql://app:canary@db:5432/konstruct") == "postgresql://[redacted]@db:5432/konstruct"
    assert log.redact("https://slack.com/api/chat.postMessage") == "https://slack.com/api/chat.postMessage"
    assert log.redact("connection 0190b7e1-7c3a-7000 of task-12 at 12:30") == (
        "connection 0190b7e1-7c3a-7000 of task-12 at 12:30"
    )


def test_a_line_of_json_is_one_object() -> None:
    stream = written("json")
    structlog.contextvars.bind_contextvars(tenant_id="t1")
    try:
        structlog.get_logger().warning("message_kept", message_id="m1")
        logging.getLogger("library").warning("over two\nlines")
    finally:
        structlog.contextvars.clear_contextvars()
    ours, library = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["message_id"], ours["tenant_id"]) == (
        "message_kept",
        "warning",
        "m1",
        "t1",
    )
    assert (library["event"], library["level"]) == ("over two\nlines", "warning")
    assert ours["timestamp"].endswith("Z")


def test_a_line_names_the_span_in_which_it_was_written(spans: Spans) -> None:
    stream = written("json")
    with traces.span("think"):
        ids = traces.ids()
        structlog.get_logger().info("ours")
        logging.getLogger("library").warning("a library's")
    structlog.get_logger().info("outside")
    *inside, outside = (json.loads(line) for line in stream.getvalue().splitlines())
    [span] = spans.ended
    assert span.context is not None
    assert ids == {"trace_id": f"{span.context.trace_id:032x}", "span_id": f"{span.context.span_id:016x}"}
    assert [{name: line[name] for name in ids} for line in inside] == [ids, ids]
    assert "trace_id" not in outside


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    log.configure(Settings(log_level="warning"), stream)
    structlog.get_logger().info("too much")
    logging.getLogger("library").info("too much")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_line_for_which_there_is_no_room_stops_nobody(log_format: str) -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        log.configure(Settings(log_format=log_format), full)
        structlog.get_logger().error("Nobody will read this.")
        logging.getLogger("library").error("Nor this.")
        # What is left in it would have to be written when it is closed.
        with suppress(OSError):
            full.close()
