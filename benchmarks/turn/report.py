"""The results as a table for people and as JSON for comparisons."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.turn.measuring import Measured

Results = Mapping[str, Mapping[str, Measured]]
"""By load (``alone``, ``together``), then by side (``product``, ``bare``)."""


def figures(results: Results) -> dict[str, Any]:
    loads = {load: {side: _figures(measured) for side, measured in sides.items()} for load, sides in results.items()}
    unloaded, loaded = results["alone"], results["together"]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        **loads,
        "ratios": {
            "alone_p50": round(unloaded["product"].percentile(50) / unloaded["bare"].percentile(50), 2),
            "alone_p95": round(unloaded["product"].percentile(95) / unloaded["bare"].percentile(95), 2),
            "together_turns_per_second": round(loaded["product"].rate / loaded["bare"].rate, 2),
        },
    }


def _figures(measured: Measured) -> dict[str, Any]:
    return {
        "turns": len(measured.latencies),
        "p50_ms": round(measured.percentile(50), 1),
        "p95_ms": round(measured.percentile(95), 1),
        "turns_per_second": round(measured.rate, 1),
        "turns_per_second_by_round": [round(rate, 1) for rate in measured.rates],
        "cpu_ms_per_turn": measured.cpu_ms(),
    }


def table(figures: dict[str, Any], conversations: int) -> str:
    lines = [f"{'':32}{'turns':>7}{'p50 ms':>9}{'p95 ms':>9}{'turns/s':>9}   CPU-ms a turn"]
    for load, title in (("alone", "1 conversation"), ("together", f"{conversations} conversations")):
        for side, found in figures[load].items():
            cpu = found["cpu_ms_per_turn"]
            shares = ", ".join(f"{name} {ms}" for name, ms in cpu.items())
            lines.append(
                f"{title + ', ' + side:32}{found['turns']:>7}{found['p50_ms']:>9}{found['p95_ms']:>9}"
                f"{found['turns_per_second']:>9}   {sum(cpu.values()):.0f}: {shares}"
            )
    ratios = figures["ratios"]
    lines += [
        "",
        f"Time of a turn, product / bare:     {ratios['alone_p50']} (p50), {ratios['alone_p95']} (p95); aim: at most 3",
        f"Turns a second, product / bare:     {ratios['together_turns_per_second']}; aim: at least 0.6",
    ]
    return "\n".join(lines)


def save(figures: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(figures, indent=2) + "\n")
