"""CSV: each row as lines of “header: value”, so that a row is understood alone."""

import csv
import io
import re
from itertools import zip_longest

from konstruct.adapters.reading.outline import Outline, clean, one_line

_SAMPLE = 65_536
_NUMBER = re.compile(r"[-+]?[\d.,' ]*\d[\d.,' ]*%?")
_YEAR = re.compile(r"(?:19|20)\d\d")


def read(text: str, outline: Outline) -> None:
    text = clean(text)
    csv.field_size_limit(len(text) + 1)
    header: list[str] | None = None
    has_rows = False
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text[:_SAMPLE])):
        cells = [one_line(cell) for cell in row]
        filled = sum(map(bool, cells))
        if header is None and filled == 1 < len(cells):
            # A caption above the table.
            outline.block(max(cells))
        elif header is None and filled and _is_header(cells):
            header = cells
        elif filled:
            header, has_rows = header or [], True
            outline.block(_row(header, cells))
    if header and not has_rows:
        outline.block(" | ".join(header))


def _row(header: list[str], cells: list[str]) -> str:
    if not header:
        return " | ".join(cells)
    pairs = zip_longest(header, cells, fillvalue="")
    return "\n".join(f"{name}: {value}" if name else value for name, value in pairs if value)


def _delimiter(sample: str) -> str:
    """Of the usual ones, that which most lines hold equally often; the library's own guess takes letters too."""
    lines = [line for line in sample.split("\n")[:200] if line.strip()]

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=lambda count: (counts.count(count) if count else 0, count), default=0)
        return (counts.count(usual) if usual else 0, usual)

    return max(",;\t|", key=agreement)


def _is_header(cells: list[str]) -> bool:
    """Names are given once each, and are no numbers, but for years."""
    named = [cell for cell in cells if cell]
    return len(set(named)) == len(named) and not any(
        _NUMBER.fullmatch(cell) and not _YEAR.fullmatch(cell) for cell in named
    )
