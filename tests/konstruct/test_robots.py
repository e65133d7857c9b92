"""What a site's robots.txt lets us do."""

import pytest

from konstruct.errors import BadInput, Unavailable
from konstruct.knowledge.robots import LONGEST_DELAY, MOST_BYTES, Robots, address
from konstruct.source_ports import WebAnswer

PAGE = "https://www.example.com/private/page"


def answer(text: str | bytes, status: int = 200) -> WebAnswer:
    content = text if isinstance(text, bytes) else text.encode()
    return WebAnswer("https://www.example.com/robots.txt", status, {}, content)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://www.example.com", "https://www.example.com/robots.txt"),
        ("https://www.example.com/a/b?c#d", "https://www.example.com/robots.txt"),
        ("http://www.example.com:8080/a", "http://www.example.com:8080/robots.txt"),
    ],
)
def test_each_origin_has_its_own(url: str, where: str) -> None:
    assert address(url) == where


@pytest.mark.parametrize("url", ["www.example.com", "ftp://www.example.com/", "https:///a", ""])
def test_what_is_no_web_address_has_none(url: str) -> None:
    with pytest.raises(BadInput):
        address(url)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("User-agent: *\nDisallow:", True),
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow: /private", False),
        ("User-agent: *\nDisallow: /private\nAllow: /private/page", True),
        ("User-agent: *\nDisallow: /other", True),
        ("User-agent: Googlebot\nDisallow: /", True),
        ("User-agent: konstruct\nDisallow: /\n\nUser-agent: *\nAllow: /", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: Konstruct\nAllow: /", True),
        ("User-agent: *\nDisallow: /*/page$", False),
        ("\ufeffUser-agent: *\nDisallow: /", False),
        ("User-agent: *\r\nDisallow: /\r\n", False),
        ("<html>Not found</html>", True),
    ],
)
def test_rules(text: str, allowed: bool) -> None:
    assert Robots.of(answer(text)).allows(PAGE) is allowed


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410])
def test_a_site_without_rules_forbids_nothing(status: int) -> None:
    robots = Robots.of(answer("User-agent: *\nDisallow: /\nCrawl-delay: 9\nSitemap: https://x.example/s", status))
    assert robots.allows(PAGE)
    assert (robots.delay, robots.sitemaps) == (0.0, ())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_a_site_that_cannot_say_is_left_alone_for_now(status: int) -> None:
    with pytest.raises(Unavailable, match=rf"www\.example\.com answers {status}"):
        Robots.of(answer("", status))


@pytest.mark.parametrize(
    ("said", "seconds"), [("2", 2.0), ("0.5", 0.5), ("86400", LONGEST_DELAY), ("-1", 0.0), ("inf", 0.0), ("soon", 0.0)]
)
def test_the_pace_that_a_site_asks_for(said: str, seconds: float) -> None:
    assert Robots.of(answer(f"User-agent: *\nCrawl-delay: {said}")).delay == seconds


def test_only_the_beginning_of_what_is_very_long_counts() -> None:
    filling = b"# filling\n" * (MOST_BYTES // 10)
    assert not Robots.of(answer(b"User-agent: *\nDisallow: /\n" + filling)).allows(PAGE)
    assert Robots.of(answer(filling + b"User-agent: *\nDisallow: /\n")).allows(PAGE)


def test_bytes_that_are_no_text_harm_nothing() -> None:
    assert not Robots.of(answer(b"\xff\xfe\x00\nUser-agent: *\nDisallow: /\n\x00")).allows(PAGE)


def test_sitemaps_are_named_once_each() -> None:
    text = "Sitemap: https://a.example/1\nUser-agent: *\nSitemap: https://b.example/2\nSitemap: https://a.example/1"
    assert Robots.of(answer(text)).sitemaps == ("https://a.example/1", "https://b.example/2")
