"""The table of Slack's error codes."""

import re
from datetime import timedelta

import pytest

from konstruct.adapters.slack_errors import DEAD, REFUSED, UNAVAILABLE, UNCERTAIN, channel_error
from konstruct.errors import (
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    SendUncertain,
)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *((code, SendUncertain) for code in sorted(UNCERTAIN)),
        *((code, ChannelUnavailable) for code in UNAVAILABLE),
        *((code, ConnectionDead) for code in DEAD),
        *((code, ChannelRefused) for code in REFUSED),
    ],
)
def test_each_code_has_one_meaning_and_a_sentence(code: str, error: type[ChannelError]) -> None:
    meaning = channel_error(200, {}, {"ok": False, "error": code})
    assert type(meaning) is error
    assert re.fullmatch(r"[A-Z].+[.)]", str(meaning))


@pytest.mark.parametrize(
    ("header", "seconds"), [("5", 5), ("0", 1), ("", 30), ("soon", 30), ("-1", 30), ("99999999999999", 3600), ("²", 30)]
)
def test_the_wait_is_slacks_own_within_reason(header: str, seconds: int) -> None:
    limit = channel_error(429, {"Retry-After": header}, None)
    assert isinstance(limit, ChannelRateLimited)
    assert limit.retry_after == timedelta(seconds=seconds)


def test_the_operator_is_told_what_slack_found_wrong() -> None:
    complaint = {"messages": ["[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"]}
    refusal = channel_error(200, {}, {"ok": False, "error": "invalid_blocks", "response_metadata": complaint})
    assert "/blocks/0/text/text" in str(refusal)


@pytest.mark.parametrize("body", [None, "", [], {"error": None}, {"error": ["x"], "response_metadata": []}])
def test_a_body_of_any_shape_has_a_meaning(body: object) -> None:
    assert isinstance(channel_error(200, {}, body), ChannelError)
