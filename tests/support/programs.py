"""Programs that are kept running as the product's own stack does it, the product's own forked from where they are
imported already."""

import sys
from typing import Final

from konstruct.embedded import process
from konstruct.embedded.process import Child, Program
from tests.support.commands import Forked

PYTHON: Final = (sys.executable, "-m")
FORKED: Final = frozenset(
    {
        "konstruct",
        "tests.workflows.stuck",
        *(f"tests.faults.{name}" for name in ("dying", "few_files", "late", "off_clock", "stopping")),
        *(
            f"tests.faults.broken.{name}"
            for name in (
                "acknowledges_first",
                "believes_any_tenant",
                "opens_side_by_side",
                "refuses_silently",
                "sends_after_takeover",
                "takes_old_signatures",
                "tells_its_prompt",
                "waits_for_ever",
            )
        ),
    }
)
"""The product, and what has it die, dawdle, hang or be mistaken at a point that is looked up anew whenever it gets
there. What else is wrong on purpose is started as it is: it may change what others import of it."""
WRONG_ON_PURPOSE: Final = "tests.faults.broken."


async def launch(program: Program) -> Child:
    """As ``process.launch``."""
    modules = {*program.command[2:3], *(part for part in program.command if part.startswith(WRONG_ON_PURPOSE))}
    if program.command[:2] != PYTHON or not modules <= FORKED or program.environment is None:
        return await process.launch(program)
    program.log.parent.mkdir(mode=0o700, exist_ok=True)
    with program.log.open("ab") as log:
        start = log.tell()
        forked = await Forked.start(program.command[2], program.command[3:], program.environment, log, log)
    child = Child(program, forked, start)  # type: ignore[arg-type] # It has what is asked of one.
    try:
        await child.until_ready()
    except BaseException:
        await child.stop()
        raise
    return child
