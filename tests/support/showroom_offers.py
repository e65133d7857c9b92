"""Knowledge and tools as the pages show them: what is read, what is not, and tools in every state."""

from typing import Any, Final

from konstruct.knowledge import sources, syncs
from konstruct.knowledge.sources import SourceSettings
from konstruct.tools import defining
from konstruct.tools.defining import Definition
from tests.support import library
from tests.support.members import Enrolled
from tests.support.office import Office
from tests.support.workshop import define, offered

_HANDBOOK: Final = SourceSettings("files", "Handbook", is_trusted=True)
_RETURNS: Final = (
    "A bike can be returned within 30 days of delivery, unridden and with its papers. We collect it for free; the money"
    " is on your account within five working days. Accessories can be returned within 14 days. "
)
_REPAIRS: Final = (
    "Repairs are booked in advance, and take two to four working days. A puncture is mended while you wait. The"
    " workshop in Porto is open from Monday to Saturday. "
)


async def furnish_offers(office: Office, owner: Enrolled) -> None:
    await _knowledge(office)
    await _tools(office)


async def _knowledge(office: Office) -> None:
    await library.fill(
        office,
        "handbook",
        {
            "returns-and-refunds.pdf": library.content(
                *(library.long(text) for text in (_RETURNS, _REPAIRS)), title="Returns and refunds"
            ),
            "workshop.docx": library.content(library.long(_REPAIRS), title="The workshop"),
        },
        settings=_HANDBOOK,
    )
    source_id = await library.add(office, "handbook", _HANDBOOK)
    await library.upload(office, "handbook", "scan-of-1998.pdf", b"%PDF-1.4 of pictures")
    sync = await library.begin(office, source_id)
    told = "It holds pictures of pages and no text. Hand in a version with text, as from a scanner that reads."
    await library.read(office, sync, {"scan-of-1998.pdf": told})
    assert await library.finish(office, sync)
    site = SourceSettings("sitemap", "Help centre", "https://help.acme.example/sitemap.xml", sources.interval("1 day"))
    under_way = await library.begin(
        office,
        await library.add(office, "help-centre", site),
        [f"https://help.acme.example/{page}" for page in ("orders", "repairs", "returns", "gift-cards")],
    )
    await library.read(
        office,
        under_way,
        {"https://help.acme.example/orders": library.content("An order leaves within a day.", title="Orders")},
    )
    page = SourceSettings("page", "Opening hours", "https://acme.example/hours", is_trusted=True)
    dead = await library.begin(office, await library.add(office, "opening-hours", page), ["https://acme.example/hours"])
    async with office.session() as session:
        reason = "acme.example answers 503, again and again."
        await syncs.fail(session, dead.source_id, dead.sync_id, reason)


async def _tools(office: Office) -> None:
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": {"order": {"type": "string", "description": "The order's number, such as A-1042."}},
        "required": ["order"],
        "additionalProperties": False,
    }
    status: dict[str, Any] = {
        "description": "Says where an order is and when it arrives.",
        "risk": "reads",
        "request": {
            "url": "https://shop.acme.example/orders/{order}",
            "parameters": parameters,
            "auth": {"kind": "bearer"},
            "result": {"status": "order.status", "arrives": "order.arrives_on"},
        },
    }
    await define(office, "order-status", Definition("http", status), "shop-secret-of-acme-1042")
    refund: dict[str, Any] = {
        "description": "Pays an order back.",
        "risk": "irreversible",
        "request": {
            "method": "POST",
            "url": "https://shop.acme.example/orders/{order}/refund",
            "parameters": parameters,
            "sends_idempotency_key": True,
        },
    }
    await define(office, "refund-order", Definition("http", refund))
    crm: dict[str, Any] = {
        "url": "https://crm.acme.example/mcp",
        "auth": {"kind": "bearer"},
        "tools": {"find_customer": {"risk": "reads"}},
    }
    server = await define(office, "crm", Definition("mcp", crm), "crm-token-of-acme-77")
    idle: dict[str, Any] = {"url": "https://stock.acme.example/mcp"}
    stock = await define(office, "stock", Definition("mcp", idle))
    async with office.session() as session:
        first = [offered("find_customer", "Finds a customer."), offered("add_note"), offered("delete_customer")]
        await defining.keep_listing(session, server, first)
        await defining.note_looked(session, server)
        changed = offered("find_customer", "Finds a customer by name, address or number.", "2")
        await defining.keep_listing(session, server, [changed, offered("add_note")])
        await defining.note_looked(session, stock)
        await defining.mark(session, stock, "down", "stock.acme.example does not answer.")
