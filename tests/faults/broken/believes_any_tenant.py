"""A gateway to which whoever holds one tenant's secret may speak of another tenant's number."""

import sys

from gateway.whatsapp_events import WhatsAppEvents
from konstruct.identity import TenantId
from tests.faults.wrapping import go_on

receive = WhatsAppEvents.receive


async def receive_all(self: WhatsAppEvents, body: bytes, only: TenantId | None = None) -> None:
    await receive(self, body)


if __name__ == "__main__":
    WhatsAppEvents.receive = receive_all  # type: ignore[method-assign]  # It is wrong on purpose.
    go_on(("konstruct", *sys.argv[1:]))
