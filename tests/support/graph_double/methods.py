"""The calls of the Graph API that there are: who may make them, and what comes of them. Nothing about HTTP."""

import base64
import hashlib

from tests.support.graph_double import rules
from tests.support.graph_double.rules import GraphError
from tests.support.graph_double.world import KINDS, Json, Media, Number, Person, Sent, World

FILES = "whatsapp_business/attachments/"

_STATES = {"unregistered": 133010, "locked": 131031, "restricted": 368}
_TEMPLATE_STATES = {"paused": 132015, "disabled": 132016}
_LATE = frozenset({131026, 131047})
_READ = frozenset({"messaging_product", "status", "message_id", "typing_indicator"})


def number_of(world: World, token: str | None, what: str, path: str, query: Json) -> Number:
    """The number that is called, whose token must be the caller's."""
    owners = [number for number in world.numbers.values() if number.token == token]
    if not owners or any(owner.token_state == "expired" for owner in owners):
        raise GraphError(190)
    wanted = path.partition("/")[0]
    if what == "info":
        media = world.media.get(wanted)
        wanted = str(query.get("phone_number_id") or (media.number.phone_number_id if media else wanted))
    number = next((owner for owner in owners if owner.phone_number_id == wanted), None)
    if number is None:
        raise _no_object(wanted)
    if number.token_state == "unpermitted":
        raise GraphError(10)
    return number


def take(world: World, number: Number, body: Json, *, refuses_late: bool) -> tuple[Sent, GraphError | None]:
    """A message that is accepted, and why it will fail if it is going to."""
    if number.state in _STATES:
        raise GraphError(_STATES[number.state])
    body = {"type": "text"} | body
    rules.check(body)
    _check_file(world, number, body)
    if world.is_too_much(number):
        raise GraphError(130429)
    wa_id = body["to"].lstrip("+") if "to" in body else None
    person = world.find(wa_id=wa_id, user_id=body.get("recipient"))
    refusal = _refusal(world, number, person, body)
    if refusal and (person is None or not refuses_late or refusal.code not in _LATE):
        raise refusal
    assert person is not None
    if world.is_too_much_for(number, person):
        raise GraphError(131056)
    sent = Sent(world.next_wamid(), number, person, body, world.now())
    world.sent.append(sent)
    return sent, refusal


def accepted(sent: Sent) -> Json:
    contact = {"input": sent.body.get("to") or sent.body["recipient"]}
    contact |= {"wa_id": sent.person.wa_id} if sent.person.wa_id else {}
    contact |= {"user_id": sent.person.user_id} if sent.person.user_id else {}
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": sent.id}]}


def _refusal(world: World, number: Number, person: Person | None, body: Json) -> GraphError | None:
    if person is None or not person.is_reachable:
        return GraphError(131026, "Message Undeliverable.")
    if body["type"] == "template":
        return _template_refusal(number, body["template"])
    if not world.is_open(number, person):
        return GraphError(131047, "More than 24 hours have passed since the customer last replied to this number.")
    return None


def _template_refusal(number: Number, template: Json) -> GraphError | None:
    known = number.templates.get((template["name"], template["language"]["code"]))
    if known is None:
        return GraphError(
            132001, f"template name ({template['name']}) does not exist in {template['language']['code']}"
        )
    if known.state in _TEMPLATE_STATES:
        return GraphError(_TEMPLATE_STATES[known.state])
    if rules.values_of(template) != known.places:
        return GraphError(132000, f"number of localizable_params does not match the expected number ({known.places})")
    return None


def _check_file(world: World, number: Number, body: Json) -> None:
    content = body[body["type"]]
    if body["type"] not in KINDS or "id" not in content:
        return
    media = world.media.get(content["id"])
    if media is None or media.number is not number or not media.is_uploaded:
        raise rules.invalid("id", "no media of this number")
    if media.media_type not in KINDS[body["type"]][0]:
        raise GraphError(131053, f"{media.media_type} cannot be sent as {body['type']}.")


def mark_read(world: World, number: Number, body: Json) -> Json:
    typing = body.get("typing_indicator")
    is_known = body.get("messaging_product") == "whatsapp" and body.get("status") == "read"
    if not is_known or typing not in (None, {"type": "text"}) or set(body) - _READ:
        raise GraphError(100, "Invalid parameter")
    if world.received.get(str(body.get("message_id")), (None,))[0] is not number:
        raise rules.invalid("message_id", "no message of this number")
    world.read.append((body["message_id"], typing is not None))
    return {"success": True}


def keep_file(world: World, number: Number, form: Json) -> Json:
    file = form.get("file")
    if form.get("messaging_product") != "whatsapp" or not isinstance(file, dict):
        raise GraphError(100, "The parameters messaging_product and file are required.")
    known = [(kind, limit) for kind, (types, limit) in KINDS.items() if file["type"] in types]
    if not known:
        every = ", ".join(media_type for types, _ in KINDS.values() for media_type in types)
        raise GraphError(100, f"Param file must be a file with one of the following types: {every}.")
    kind, limit = known[0]
    if not 0 < len(file["content"]) <= limit:
        raise GraphError(131053, f"Files of the kind {kind} have between 1 and {limit} bytes.")
    return {"id": world.keep(number, file["type"], file["content"], is_uploaded=True).id}


def about_number(number: Number) -> Json:
    return {
        "id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "quality_rating": number.quality,
    }


def about_file(world: World, number: Number, media_id: str, url: str) -> Json:
    media = world.media.get(media_id)
    if media is None or media.number is not number:
        raise _no_object(media_id)
    return {
        "messaging_product": "whatsapp",
        "url": f"{url}/{FILES}{world.address_of(media)}",
        "mime_type": media.media_type,
        "sha256": base64.b64encode(hashlib.sha256(media.content).digest()).decode(),
        "file_size": str(len(media.content)),
        "id": media.id,
    }


def at_address(world: World, token: str | None, path: str) -> tuple[int, Media | None]:
    """The HTTP status, and the file if it is given."""
    media = world.at_address(path.removeprefix(FILES))
    if token is None or (media is not None and media.number.token != token):
        return 401, None
    return (200 if media else 404), media


def _no_object(name: str) -> GraphError:
    why = f"Object with ID '{name}' does not exist, cannot be loaded due to missing permissions."
    return GraphError(100, why, subcode=33)
