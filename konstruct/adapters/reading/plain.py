"""Plain text: its paragraphs, as they are."""

import re

from konstruct.adapters.reading.outline import Outline, clean


def read(text: str, outline: Outline) -> None:
    for paragraph in re.split(r"\n[ \t]*\n", clean(text)):
        outline.block(paragraph)
