"""Runs trials against a product of real processes and prints what was counted: ``python -m benchmarks.takeovers``."""

import argparse
import asyncio
import time

from benchmarks.support.folder import data_folder, say
from benchmarks.takeovers import times
from tests.acceptance.desks import open_desk
from tests.acceptance.races import Tally, race
from tests.acceptance.town import running_town
from tests.support.ports import free_ports

BATCH = 100


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--times", type=int, default=0, help="rounds in which times are taken, instead of trials")
    parser.add_argument("--at-once", type=int, default=8, help="conversations side by side")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    options = parser.parse_args()
    ports = free_ports("gateway_port", "portal_port", "ui_port", "refusing_port", "crm_port")
    total = Tally()
    with data_folder() as folder:
        (folder / "data").mkdir(mode=0o700)
        async with running_town(folder, **ports) as town:
            desk = await open_desk(town)
            if options.times:
                say(times.table(await times.measure(desk, options.times)))
                return
            say(f"Seed {options.seed}.")
            while total.trials < options.trials:
                count = min(BATCH, options.trials - total.trials)
                tally = await race(desk, count, at_once=options.at_once, seed=options.seed + total.trials)
                for name, value in vars(tally).items():
                    setattr(total, name, getattr(total, name) + value)
                say(str(total))
                await town.forget()
    say(f"{total.trials} trials, {total.faults} faults.")


if __name__ == "__main__":
    asyncio.run(main())
