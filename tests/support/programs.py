"""Programs that are kept running as the product's own stack does it, the product's own forked from where they are
imported already."""

import sys
from typing import Final

from konstruct.embedded import process
from konstruct.embedded.process import Child, Program
from tests.support.commands import Forked

KONSTRUCT: Final = (sys.executable, "-m", "konstruct")


async def launch(program: Program) -> Child:
    """As ``process.launch``. What is another program than the product's, or one of its own that is wrong on purpose, is
    started as it is: it may change what others import of it."""
    if program.leash is not None or program.command[:3] != KONSTRUCT or program.environment is None:
        return await process.launch(program)
    program.log.parent.mkdir(mode=0o700, exist_ok=True)
    with program.log.open("ab") as log:
        start = log.tell()
        forked = await Forked.start(program.command[3:], program.environment, log, log)
    child = Child(program, forked, start)  # type: ignore[arg-type] # It has what is asked of one.
    try:
        await child.until_ready()
    except BaseException:
        await child.stop()
        raise
    return child
