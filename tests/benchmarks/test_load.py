"""Benchmarks of load run, from one end to the other. What they find in so short a time means nothing.

Those with floods, crowds and more processes fill the machine for minutes however short they are, which what runs beside
them would have to bear; they are run by whoever measures.
"""

import os

import pytest

from tests.support.commands import forked, nursery

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
    _, folder = nursery()
    interpreter = str(folder / "python")
    run = await forked(
        "tests.support.forking", interpreter, f"benchmarks.{subject}", "--quick", env={"PATH": os.environ["PATH"]}
    )
    assert run.status == 0, (run.said[-4_000:], run.complained[-4_000:])
    assert SAYS[subject] in run.said
