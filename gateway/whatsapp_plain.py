"""What a person sent over WhatsApp, as plain text for a model, with the files that came along.

The way back, from a model's Markdown to WhatsApp, is the adapter's.
"""

import json
import re
from collections.abc import Callable
from mimetypes import guess_extension
from typing import Final

from gateway.whatsapp_shapes import Card, Context, Media, Message, Order, Place
from konstruct.messages import SentFile

MOST_LINES: Final = 50
"""Of lists that a person can make as long as they like."""

_MEDIA: Final = {
    "image": ("a photo", "photo"),
    "video": ("a video", "video"),
    "audio": ("an audio file", "audio"),
    "voice": ("a voice message", "voice message"),
    "document": ("a document", "document"),
    "sticker": ("a sticker", "sticker"),
}
"""By type of message: what is said of it, and what the file is called where it has no name."""


def plain_text(message: Message) -> str:
    """One readable text, whatever the type; of an unknown one, that it cannot be read."""
    said = _SAID[message.type](message) if message.type in _SAID else _unreadable(message)
    return "\n\n".join(filter(None, [*_around(message), said])) or "[sent an empty message]"


def sent_files(message: Message) -> tuple[SentFile, ...]:
    media = _media(message)
    if media is None or not media.id:
        return ()
    kind = _kind(message, media)
    ending = guess_extension(media.mime_type.partition(";")[0].strip()) or ""
    name = media.filename or f"{_MEDIA[kind][1]}{ending}"
    return (SentFile(name=name, media_type=media.mime_type, size=media.file_size, reference=media.id),)


def _media(message: Message) -> Media | None:
    return getattr(message, message.type) if message.type in _MEDIA else None


def _kind(message: Message, media: Media) -> str:
    return "voice" if message.type == "audio" and media.voice else message.type


def _sent(message: Message) -> str:
    media = _media(message) or Media()
    what = _MEDIA[_kind(message, media)][0]
    named = f"[sent {what}: {_line(media.filename)}]" if media.filename else f"[sent {what}]"
    return "\n\n".join(filter(None, [media.caption, named]))


def _location(message: Message) -> str:
    place: Place = message.location
    where = f"{place.latitude}, {place.longitude}" if place.latitude and place.longitude else ""
    told = ", ".join(filter(None, map(_line, (place.name, place.address, where, place.url))))
    return f"[shared a location: {told}]" if told else "[shared a location]"


def _cards(message: Message) -> str:
    return "\n".join(map(_card, message.contacts[:MOST_LINES])) or "[shared a contact]"


def _card(card: Card) -> str:
    name = card.name.formatted_name or f"{card.name.first_name} {card.name.last_name}".strip()
    reach = [phone.phone for phone in card.phones] + [email.email for email in card.emails]
    told = ", ".join(filter(None, map(_line, (name, card.org.company, *reach[:10]))))
    return f"[shared a contact: {told}]" if told else "[shared a contact]"


def _chosen(message: Message) -> str:
    interactive = message.interactive
    if interactive.nfm_reply.response_json:
        return _form(interactive.nfm_reply.response_json)
    chosen = interactive.list_reply if interactive.list_reply.title else interactive.button_reply
    if not chosen.title:
        return _unreadable(message)
    return f"{chosen.title} ({chosen.description})" if chosen.description else chosen.title


def _form(filled_in: str) -> str:
    try:
        fields = json.loads(filled_in)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return f"[filled in a form: {_line(filled_in)}]"
    # The token is between the business and WhatsApp; the person has not seen it.
    told = [f"{_line(name)}: {_line(_shown(value))}" for name, value in fields.items() if name != "flow_token"]
    return "\n".join(["[filled in a form]", *told[:MOST_LINES]])


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _order(message: Message) -> str:
    order: Order = message.order
    items = [
        f"{_line(item.quantity) or '1'} × {_line(item.product_retailer_id)}"
        + (f" at {_line(item.item_price)} {_line(item.currency)}".rstrip() if item.item_price else "")
        for item in order.product_items[:MOST_LINES]
    ]
    return "\n".join(filter(None, [order.text, "[ordered from the catalogue]", *items]))


def _unreadable(message: Message) -> str:
    kind = message.unsupported.type if message.type == "unsupported" else message.type
    named = re.sub("[^a-z0-9 ]", "", kind.lower().replace("_", " "))[:40].strip()
    told = f": {named}" if named and named not in ("unknown", "unsupported") else ""
    return f"[sent something that cannot be read here{told}]"


def _around(message: Message) -> list[str]:
    """What a message hangs on: an advertisement, a product, another message."""
    context: Context = message.context
    around = []
    if message.referral.source_url or message.referral.headline:
        told = map(_line, (message.referral.headline, message.referral.body, message.referral.source_url))
        around.append(f"[came here from: {', '.join(filter(None, told))}]")
    if context.referred_product.product_retailer_id:
        around.append(f"[about the product {_line(context.referred_product.product_retailer_id)}]")
    elif context.id and message.type not in ("button", "interactive"):
        around.append("[in reply to an earlier message]")
    if context.forwarded is True or context.frequently_forwarded is True:
        around.append("[forwarded]")
    return around


def _line(text: str) -> str:
    """On one line, and no longer than somebody reads."""
    return " ".join(text.split())[:500]


_SAID: Final[dict[str, Callable[[Message], str]]] = {
    "text": lambda message: message.text.body.strip(),
    **dict.fromkeys(_MEDIA, _sent),
    "location": _location,
    "contacts": _cards,
    "interactive": _chosen,
    "button": lambda message: message.button.text.strip() or message.button.payload.strip(),
    "order": _order,
}
