"""A secret is in nothing that a service says, however the service writes it."""

import json
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from konstruct.errors import ToolFailed
from konstruct.source_ports import WebAnswer
from konstruct.tools import masking
from konstruct.tools.http import LONGEST_EXCERPT, LONGEST_TEXT, HttpToolDefinition, result

SECRET = 'anna:pa/ss "wörd" & <more>+1'
SECRETS = {"auth": SecretStr(SECRET)}
KEY = "sk-shop-canary-4321"


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        SECRET.partition(":")[2],
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        escape(SECRET),
    ],
)
def test_it_is_masked_as_it_is_written(written: str) -> None:
    told = masking.masked(f"You sent {written}, which is wrong.", SECRETS)
    assert masking.MASK in told
    assert "ss" not in told
    assert told.endswith(", which is wrong.")


def test_names_of_fields_are_looked_at_as_well() -> None:
    assert masking.without({SECRET: [SECRET, 1]}, SECRETS) == {masking.MASK: [masking.MASK, 1]}


def test_no_secret_is_no_mask_everywhere() -> None:
    assert masking.masked("abc", {"auth": SecretStr("")}) == "abc"


@pytest.mark.parametrize("cut", range(1, len(KEY)))
def test_nothing_is_cut_in_the_middle_of_one(cut: int) -> None:
    """Of half a secret nobody could tell that it is one."""
    tool, secrets = HttpToolDefinition.parse({"url": "https://shop.example/"}), {"auth": SecretStr(KEY)}

    def answer(status: int, length: int) -> WebAnswer:
        said = "." * (length - cut) + KEY
        return WebAnswer("https://shop.example/", status, {"content-type": "text/plain"}, said.encode())

    told = result(tool, answer(200, LONGEST_TEXT), secrets)
    half = KEY[:cut] if cut > 2 else f".{KEY[:cut]}"
    assert half not in str(told)
    with pytest.raises(ToolFailed) as caught:
        result(tool, answer(400, LONGEST_EXCERPT), secrets)
    assert half not in str(caught.value)
