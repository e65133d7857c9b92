"""What cards in Slack are made of: text that Slack shows and does not read, so that nothing in it is markup."""

from collections.abc import Iterator
from typing import Any, Final

TEXT_SIZE: Final = 2_500
"""Of one element; Slack's limit for text is 3,000 characters wherever it names one."""

Block = dict[str, Any]


def plain(said: str) -> Block:
    return {"type": "plain_text", "text": said, "emoji": False}


def section(*elements: Block) -> Block:
    return {"type": "rich_text_section", "elements": list(elements)}


def text(said: str, **style: bool) -> Block:
    return {"type": "text", "text": said} | ({"style": style} if style else {})


def pieces(said: str) -> Iterator[str]:
    for start in range(0, len(said), TEXT_SIZE):
        yield said[start : start + TEXT_SIZE]
