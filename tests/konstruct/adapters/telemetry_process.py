"""A process that exports traces: it makes a thousand spans, says so, and ends."""

import asyncio
import sys

from konstruct.adapters import telemetry
from konstruct.observing import traces


async def main() -> None:
    async with telemetry.exporting("konstruct-test"):
        for _ in range(1_000):
            with traces.span("work"):
                pass
        sys.stdout.write("Done.\n")


asyncio.run(main())
