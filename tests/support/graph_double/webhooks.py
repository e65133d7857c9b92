"""What Meta's webhooks look like: builders without state. Nothing about HTTP or signatures."""

from collections.abc import Sequence

from tests.support.graph_double.world import Json, Number, Person, Sent


def payload(*changes: tuple[Number, Json]) -> Json:
    """One request; changes of the same account stand under one entry, as Meta batches them."""
    entries: dict[str, list[Json]] = {}
    for number, change in changes:
        entries.setdefault(number.waba_id, []).append(change)
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": waba_id, "changes": found} for waba_id, found in entries.items()],
    }


def change(number: Number, field: str = "messages", **value: object) -> Json:
    metadata = {
        "display_phone_number": number.display_phone_number,
        "phone_number_id": number.phone_number_id,
    }
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata} | value}


def messages(number: Number, person: Person, *said: Json) -> Json:
    return change(number, contacts=[contact(person)], messages=list(said))


def contact(person: Person) -> Json:
    profile = {"name": person.name} | ({"username": person.username} if person.username else {})
    return {"profile": profile} | _ids(person, "wa_id", "user_id")


def message(person: Person, wamid: str, at: float, kind: str, content: Json, **more: object) -> Json:
    """``kind``: the message's type, under whose name its content stands."""
    about: Json = {"id": wamid, "timestamp": str(int(at)), "type": kind, kind: content}
    return _ids(person, "from", "from_user_id") | about | more


def media(media_id: str, media_type: str, sha256: str, **more: object) -> Json:
    return {"id": media_id, "mime_type": media_type, "sha256": sha256} | more


def statuses(number: Number, *reported: Json) -> Json:
    return change(number, statuses=list(reported))


def status(sent: Sent, state: str, at: float, errors: Sequence[Json] = ()) -> Json:
    about: Json = {"id": sent.id, "status": state, "timestamp": str(int(at))}
    about |= _ids(sent.person, "recipient_id", "recipient_user_id")
    if sent.opaque is not None:
        about["biz_opaque_callback_data"] = sent.opaque
    if errors:
        return about | {"errors": list(errors)}
    if state in {"sent", "delivered"}:
        about["pricing"] = {"billable": True, "pricing_model": "PMP", "category": "service"}
    return about


def echoes(number: Number, *written: Json) -> Json:
    """What the business wrote from its phone."""
    return change(number, "smb_message_echoes", message_echoes=list(written))


def echo(number: Number, person: Person, wamid: str, at: float, text: str) -> Json:
    about: Json = {"from": number.display_phone_number, "id": wamid, "timestamp": str(int(at))}
    return about | _ids(person, "to", "to_user_id") | {"type": "text", "text": {"body": text}}


def _ids(person: Person, number: str, user: str) -> Json:
    """Each where it is known."""
    return {name: value for name, value in ((number, person.wa_id), (user, person.user_id)) if value}
