"""What all pages say in the same words: tones, amounts of money, of time and of bytes, and how calls of tools are."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal

Tone = Literal["neutral", "ok", "warning", "danger", "info"]

CALLS: Final[Mapping[str, tuple[str, Tone]]] = {
    "ready": ("about to be made", "neutral"),
    "running": ("running", "info"),
    "waiting": ("waits for a person's yes", "warning"),
    "done": ("done", "ok"),
    "failed": ("failed", "danger"),
    "unknown": ("nobody knows whether it was done", "danger"),
    "denied": ("not allowed", "neutral"),
    "expired": ("nobody decided in time", "neutral"),
    "invalid": ("not made: asked for wrongly", "warning"),
    "refused": ("refused", "warning"),
    "cancelled": ("stopped", "neutral"),
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def money(amount: Decimal) -> str:
    """US dollars and cents; of what is less than a cent, the first two digits that say something."""
    if amount and abs(amount) < Decimal("0.01"):
        places = min(10, 1 - amount.adjusted())
        return f"${amount:,.{places}f}"
    return f"${amount:,.2f}"


def seconds(long: float | None) -> str:
    if long is None:
        return "–"
    if long < 0.05:
        return "0 s"
    if long < 10:
        return f"{long:.1f} s"
    if long < _MINUTE:
        return f"{long:.0f} s"
    if long < _HOUR:
        return _two(long, _MINUTE, "min", 1, "s")
    return _two(long, _HOUR, "h", _MINUTE, "min") if long < 2 * _DAY else _two(long, _DAY, "d", _HOUR, "h")


def _two(long: float, large: int, larger: str, small: int, smaller: str) -> str:
    whole = round(long / small) * small
    rest = int(whole % large // small)
    return f"{int(whole // large)} {larger}" + (f" {rest} {smaller}" if rest else "")


def size(count: int) -> str:
    """Of a file."""
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:,.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"
