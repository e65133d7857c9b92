"""What a site lets us fetch, by its robots.txt (RFC 9309). Nothing here fetches anything."""

from typing import Final, Self
from urllib.parse import urlsplit

from protego import Protego

from konstruct.errors import BadInput, Unavailable
from konstruct.source_ports import WebAnswer

NAME: Final = "Konstruct"
"""The name that a site knows us by, in its robots.txt and in its logs."""
MOST_BYTES: Final = 500 * 1024
"""Of a robots.txt; what goes beyond that is not read, as other crawlers do it too."""
LONGEST_DELAY: Final = 60.0
"""Seconds between two requests; a site that wants more is asked this often all the same."""
MOST_SITEMAPS: Final = 100


def address(url: str) -> str:
    """Where the robots.txt lies that speaks of a URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadInput("A web site's address begins with https:// and a host.")
    return f"{parts.scheme}://{parts.netloc}/robots.txt"


class Robots:
    """The rules of one origin."""

    def __init__(self, text: str) -> None:
        self._rules = Protego.parse(text)

    @classmethod
    def of(cls, answer: WebAnswer) -> Self:
        """From what the site answered when it was asked for `address`, redirects followed.

        Raises:
            Unavailable: the site could not say, so that for now nothing of it may be fetched.
        """
        if answer.status == 429 or answer.status >= 500:
            raise Unavailable(
                f"{urlsplit(answer.url).netloc} answers {answer.status} when asked what may be fetched (robots.txt), "
                "so nothing is fetched from it for now."
            )
        # Somebody who says that there are no rules, or shows us out of this one door, forbids nothing by that.
        is_there = 200 <= answer.status < 300
        return cls(answer.content[:MOST_BYTES].decode("utf-8-sig", "replace") if is_there else "")

    def allows(self, url: str) -> bool:
        return self._rules.can_fetch(url, NAME)

    @property
    def delay(self) -> float:
        """Seconds to leave between two requests."""
        return min(self._rules.crawl_delay(NAME) or 0.0, LONGEST_DELAY)

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """Whole URLs, as written."""
        return tuple(dict.fromkeys(self._rules.sitemaps))[:MOST_SITEMAPS]
