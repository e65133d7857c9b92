"""The worker of the queue that asks Stripe, in a process of its own that a test can kill: ``python -m …``, settings in
the environment. It says ``ready`` on a line of its own."""

import asyncio
import sys

from activities.billing import Billing
from konstruct import temporal
from konstruct.adapters import stripe
from konstruct.db import Database
from konstruct.settings import Settings, needed
from workflows.queues import billing_worker


async def main() -> None:
    settings = Settings()
    database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
    client = await temporal.connect(settings, lazy=False)
    async with billing_worker(client, Billing(database, stripe.opened(settings))):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
