"""Benchmarks of load run, from one end to the other. What they find in so short a time means nothing.

Those with floods, crowds and more processes fill the machine for minutes however short they are, which what runs beside
them would have to bear; they are run by whoever measures.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SAYS = {
    "turn": "Turns a second, product / bare:",
    "length": "Of latency, worker and database the greatest is",
    "costs": "actions by kind:",
}
"""What each ends with."""


@pytest.mark.stack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("subject", SAYS)
async def test_it_runs(subject: str) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.{subject}", "--quick"),
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = (await run.communicate())[0].decode()
    finally:
        if run.returncode is None:
            os.killpg(run.pid, signal.SIGKILL)
            await run.wait()
    assert run.returncode == 0, said[-4_000:]
    assert SAYS[subject] in said
