"""People who write to employees over a pretended WhatsApp; what they have in common with those of Slack is there."""

import secrets
import time
from dataclasses import dataclass
from datetime import timedelta

from tests.faults.history import Seen
from tests.faults.people import Attempt, Posting, Writer, seen
from tests.support.graph_double import GraphDouble, Json, webhooks
from tests.support.graph_double import Person as Contact
from tests.support.graph_double.delivery import as_sent


@dataclass
class Caller(Writer):
    """A chat with the office's number."""

    graph: GraphDouble
    contact: Contact
    delay: timedelta = timedelta(0)
    """For how long what they write lies at Meta before it is posted first."""

    @property
    def thread(self) -> str:
        return f"{self.office.number.phone_number_id}:{self.contact.key}"

    @property
    def known_as(self) -> str:
        return self.contact.key

    @property
    def place(self) -> tuple[str, str]:
        return self.office.number.phone_number_id, self.contact.key

    def change(self, text: str) -> Json:
        """What Meta tells of it."""
        return self.graph.written(self.office.number, self.contact, "text", {"body": text}, ago=self.delay)

    def posting(self, text: str) -> Posting:
        payload = webhooks.payload((self.office.number, self.change(text)))
        body = as_sent(payload)

        async def post(gateway: str, tries: int) -> Attempt:
            return await self.graph.post(body, url=f"{gateway}/whatsapp")

        return post

    def heard(self) -> list[Seen]:
        sent = self.graph.sent(self.office.number, self.contact)
        # Meta tells wall-clock time; what people did is told by the clock that all processes share.
        since = time.monotonic() - self.graph.world.now()
        return [seen(self, each.at + since, each.text, each.opaque or "") for each in sent]


def new_contact(graph: GraphDouble) -> Contact:
    """Somebody with a number and a lasting id."""
    return graph.person(f"1650{secrets.randbelow(10**9):09}", "Sheena", user_id=f"US.{secrets.token_hex(8).upper()}")
