"""What a message looks like to the Graph API. No calls; what a text may hold is decided in whatsapp_text."""

import re
from collections.abc import Sequence
from typing import Any, Final

from konstruct.adapters import whatsapp_text
from konstruct.adapters.cutting import utf16_length
from konstruct.channels import WHATSAPP, Media, bare_type
from konstruct.errors import ChannelRefused
from konstruct.identity import MessageId
from konstruct.ports import Button, OutgoingFile, Template, Thread

LONGEST_BODY_OF_BUTTONS: Final = 1_024
LONGEST_BUTTON_ID: Final = 256
LONGEST_ROW: Final = 24
MOST_ROWS: Final = 10
LONGEST_FILE_NAME: Final = 240
_OPENS_LIST: Final = "☰"

_DIGITS = re.compile(r"[0-9]{1,20}")

Json = dict[str, Any]


def envelope(thread: Thread, *, reply_to: str | None, opaque: MessageId | None) -> Json:
    """Whom it is for, by phone number where that is what we know and else by WhatsApp's id of the person.

    ``opaque`` comes back with each word about the message.
    """
    who = thread.contact_external_id
    about: Json = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    about["to" if _DIGITS.fullmatch(who) else "recipient"] = who
    if reply_to:
        about["context"] = {"message_id": reply_to}
    if opaque:
        about["biz_opaque_callback_data"] = str(opaque)
    return about


def said(text: str, buttons: Sequence[Button]) -> Json:
    """With buttons, if any, or with a list of them where there are too many, or the text is too long to have buttons
    below it."""
    if not buttons:
        return {"type": "text", "text": {"body": text, "preview_url": False}}
    shown = buttons[:MOST_ROWS]
    if len(shown) <= WHATSAPP.most_buttons and utf16_length(text) <= LONGEST_BODY_OF_BUTTONS:
        replies = [
            {"type": "reply", "reply": {"id": button.id[:LONGEST_BUTTON_ID], "title": title}}
            for button, title in _titled(shown, WHATSAPP.longest_button)
        ]
        return {"type": "interactive", "interactive": _interactive("button", text, {"buttons": replies})}
    rows = [{"id": button.id[:LONGEST_BUTTON_ID], "title": title} for button, title in _titled(shown, LONGEST_ROW)]
    opens = rows[0]["title"] if len(rows) == 1 else _OPENS_LIST
    action = {"button": whatsapp_text.plain(opens, WHATSAPP.longest_button), "sections": [{"rows": rows}]}
    return {"type": "interactive", "interactive": _interactive("list", text, action)}


def _interactive(kind: str, text: str, action: Json) -> Json:
    return {"type": kind, "body": {"text": text}, "action": action}


def _titled(buttons: Sequence[Button], most: int) -> list[tuple[Button, str]]:
    return [(button, whatsapp_text.plain(button.title, most)) for button in buttons]


def media_of(file: OutgoingFile) -> Media:
    """Raises ChannelRefused for what WhatsApp does not take."""
    media = WHATSAPP.media_for(file.media_type)
    if media is None:
        raise ChannelRefused(f"WhatsApp takes no files of the kind {bare_type(file.media_type)!r}.", "media_type")
    if len(file.content) > media.most_bytes:
        most = media.most_bytes // 1024**2
        raise ChannelRefused(f"WhatsApp takes no {media.category} of more than {most} MB.", "media_size")
    return media


def media_type(file: OutgoingFile, media: Media) -> str:
    """Texts of all kinds go as plain ones: WhatsApp knows no other."""
    bare = bare_type(file.media_type)
    return "text/plain" if media.category == "document" and bare.startswith("text/") else bare


def file_name(file: OutgoingFile) -> str:
    return whatsapp_text.plain(file.name, LONGEST_FILE_NAME).replace("/", "_").replace("\\", "_") or "file"


def takes_caption(media: Media, text: str) -> bool:
    return media.category != "audio" and utf16_length(text) <= WHATSAPP.longest_caption


def file(sent: OutgoingFile, media: Media, media_id: str, caption: str) -> Json:
    """``caption``: empty for none."""
    shown: Json = {"id": media_id}
    if caption:
        shown["caption"] = caption
    if media.category == "document":
        shown["filename"] = file_name(sent)
    return {"type": media.category, media.category: shown}


def template(chosen: Template) -> Json:
    about: Json = {"name": chosen.name, "language": {"policy": "deterministic", "code": chosen.language}}
    if chosen.values:
        values = [{"type": "text", "text": whatsapp_text.plain(value, 1_024) or "–"} for value in chosen.values]
        about["components"] = [{"type": "body", "parameters": values}]
    return {"type": "template", "template": about}
