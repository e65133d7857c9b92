"""The table of the Graph API's error codes."""

import re
from datetime import timedelta

import pytest

from konstruct.adapters.whatsapp_errors import (
    DEAD,
    RATE_LIMITED,
    REFUSED,
    UNAVAILABLE,
    WINDOW_CLOSED,
    PairLimited,
    channel_error,
    meaning,
    refusal_code,
)
from konstruct.errors import ChannelError, ChannelRateLimited, ChannelRefused, ChannelUnavailable, ConnectionDead


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *((code, ChannelRateLimited) for code in RATE_LIMITED),
        *((code, ChannelUnavailable) for code in UNAVAILABLE),
        *((code, ConnectionDead) for code in [*DEAD, 200, 299]),
        *((code, ChannelRefused) for code in [*REFUSED, 132099, 424242]),
    ],
)
def test_each_code_has_one_meaning_and_a_sentence(code: int, error: type[ChannelError]) -> None:
    found = channel_error(400, {}, {"error": {"code": code, "message": "(#1) x"}})
    assert type(found) is error or (error is ChannelRateLimited and type(found) is PairLimited)
    assert str(found) == meaning(code)
    assert re.fullmatch(r"[A-Z].+\.", meaning(code))


def test_a_closed_window_has_a_name_of_its_own() -> None:
    assert refusal_code(131047) == WINDOW_CLOSED == "window_closed"
    assert refusal_code(131026) == "131026"


def test_a_number_that_is_not_there_means_a_dead_connection_and_a_bad_parameter_does_not() -> None:
    assert type(channel_error(400, {}, {"error": {"code": 100, "error_subcode": 33}})) is ConnectionDead
    assert type(channel_error(400, {}, {"error": {"code": 100}})) is ChannelRefused


@pytest.mark.parametrize(
    ("header", "seconds"), [("5", 5), ("0", 1), ("", 30), ("soon", 30), ("-1", 30), ("99999999999999", 3600), ("²", 30)]
)
def test_the_wait_is_metas_own_within_reason(header: str, seconds: int) -> None:
    limit = channel_error(429, {"Retry-After": header}, None)
    assert isinstance(limit, ChannelRateLimited)
    assert limit.retry_after == timedelta(seconds=seconds)


def test_the_operator_is_told_what_meta_found_wrong() -> None:
    error = {"code": 132000, "error_data": {"details": "number of localizable_params (2) does not match 1"}}
    assert "localizable_params (2)" in str(channel_error(400, {}, {"error": error}))


@pytest.mark.parametrize(
    "body",
    [
        *(None, "", [], {}, {"error": None}, {"error": []}, {"error": {}}, {"error": {"code": "x"}}),
        *({"error": {"code": 1.5}}, {"error": {"code": 100, "error_data": [], "error_subcode": "33"}}),
    ],
)
@pytest.mark.parametrize("status", [200, 302, 400, 429, 503])
def test_a_body_of_any_shape_has_a_meaning(status: int, body: object) -> None:
    assert isinstance(channel_error(status, {}, body), ChannelError)
