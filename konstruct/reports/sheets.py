"""Tables for spreadsheets: what people named is kept from being taken for formulas, and all is UTF-8 that says so."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

BOM: Final = "\ufeff"
"""Without it, spreadsheets take UTF-8 for something else."""
MEDIA_TYPE: Final = "text/csv; charset=utf-8"
_BEGINS_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

Cell = str | int | float | Decimal | bool | datetime | None


def lines(rows: Iterable[Sequence[Cell]], *, first: bool = False) -> str:
    """``first``: these begin the file."""
    written = io.StringIO()
    csv.writer(written).writerows([_safe(cell) for cell in row] for row in rows)
    return (BOM if first else "") + written.getvalue()


def _safe(cell: Cell) -> str | int | float:
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_BEGINS_FORMULAS) else cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, Decimal):
        # Not in powers of ten, which spreadsheets round.
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="milliseconds")
    return "" if cell is None else cell
