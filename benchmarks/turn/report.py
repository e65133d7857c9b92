"""The results as a table for people and as JSON for comparisons."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.support.measuring import Measured

Results = Mapping[str, Mapping[str, Measured]]
"""By load (``alone``, ``together``), then by side."""
SIDES: Final = ("product", "bare", "plain", "celery")
PERCENTILES: Final = (50, 95, 99)


def figures(results: Results) -> dict[str, Any]:
    loads = {load: {side: _figures(measured) for side, measured in sides.items()} for load, sides in results.items()}
    return {
        **loads,
        "ratios": {side: _ratios(results, side) for side in SIDES if side != "product"},
    }


def _figures(measured: Measured) -> dict[str, Any]:
    return {
        "turns": len(measured.latencies),
        **{f"p{percent}_ms": round(measured.percentile(percent), 1) for percent in PERCENTILES},
        "turns_per_second": round(measured.rate, 1),
        "turns_per_second_by_round": [round(rate, 1) for rate in measured.rates],
        "cpu_ms_per_turn": measured.cpu_ms(),
    }


def _ratios(results: Results, other: str) -> dict[str, float]:
    """What the product takes for each of the other's, and for ``turns_per_second`` what it makes."""
    unloaded, loaded = results["alone"], results["together"]
    return {
        **{
            f"alone_p{percent}": round(unloaded["product"].percentile(percent) / unloaded[other].percentile(percent), 2)
            for percent in PERCENTILES
        },
        **{
            f"together_p{percent}": round(loaded["product"].percentile(percent) / loaded[other].percentile(percent), 2)
            for percent in PERCENTILES
        },
        "turns_per_second": round(loaded["product"].rate / loaded[other].rate, 2),
    }


def table(figures: dict[str, Any], conversations: int) -> str:
    lines = [f"{'':28}{'turns':>7}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'turns/s':>9}   CPU-ms a turn"]
    for load, title in (("alone", "1 conversation"), ("together", f"{conversations} conversations")):
        for side, found in figures[load].items():
            cpu = found["cpu_ms_per_turn"]
            shares = ", ".join(f"{name} {ms}" for name, ms in cpu.items())
            times = "".join(f"{found[f'p{percent}_ms']:>9}" for percent in PERCENTILES)
            lines.append(
                f"{title + ', ' + side:28}{found['turns']:>7}{times}{found['turns_per_second']:>9}"
                f"   {sum(cpu.values()):.0f}: {shares}"
            )
    for other, ratios in figures["ratios"].items():
        told = ", ".join(f"{name} {ratio}" for name, ratio in ratios.items())
        lines.append(f"product / {other}: {told}")
    bare = figures["ratios"]["bare"]
    lines += [
        "",
        f"Time of a turn with nothing else to do, product / bare: {bare['alone_p50']} (p50); "
        + _verdict("at most 3", is_met=bare["alone_p50"] <= 3),
        f"Turns a second, product / bare: {bare['turns_per_second']}; "
        + _verdict("at least 0.6", is_met=bare["turns_per_second"] >= 0.6),
    ]
    return "\n".join(lines)


def _verdict(aim: str, *, is_met: bool) -> str:
    return f"the aim is {aim}, and it is {'met' if is_met else 'missed'}"
