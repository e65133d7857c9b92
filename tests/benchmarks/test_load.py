"""Each benchmark of load runs, from one end to the other. What it finds in so short a time means nothing."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SUBJECTS = re.findall(r"^BENCH \?= (.+)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)[0].split()
SAYS = {
    "turn": "Turns a second, product / bare:",
    "length": "Of latency, worker and database the greatest is",
    "neighbours": "p95 with a flood that is taken:",
    "idle": "Extrapolated to 100,000:",
    "tenants": "Slower than 1.3 times",
    "scaling": "CPU-ms a turn",
    "costs": "actions by kind:",
}
"""What each ends with."""


def test_all_of_them_are_known_here() -> None:
    assert set(SUBJECTS) == set(SAYS)


@pytest.mark.stack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("subject", SUBJECTS)
async def test_it_runs(subject: str) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.{subject}", "--quick"),
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await run.communicate())[0].decode()
    assert run.returncode == 0, said[-4_000:]
    assert SAYS[subject] in said
