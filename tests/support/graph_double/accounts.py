"""What Graph tells of tokens, apps and business accounts to whoever sets a number up. Nothing about HTTP."""

import hashlib
import hmac

from tests.support.graph_double.methods import about_number
from tests.support.graph_double.rules import GraphError
from tests.support.graph_double.world import App, ApprovedTemplate, Json, Number, World

CALLS = frozenset({"token", "me", "number", "numbers", "subscribed", "subscribe", "unsubscribe", "templates"})
_MANAGEMENT = "whatsapp_business_management"


def answer(world: World, app: App, what: str, token: str | None, path: str, query: Json) -> Json:
    """``app``: the double's own, of which tokens are that name no other."""
    owned = [number for number in world.numbers.values() if number.token == token]
    if token is None or not owned:
        raise GraphError(190, message="Invalid OAuth access token - Cannot parse access token")
    if _has_expired(world, owned[0]):
        raise GraphError(190, subcode=463, message="Error validating access token: Session has expired.")
    its_app = owned[0].app or app
    _check_proof(its_app, token, query)
    if what == "token":
        return _about_token(world, app, query)
    if what == "me":
        return {"id": f"9{its_app.id}"}
    if owned[0].token_state == "unpermitted":
        raise GraphError(10)
    return _about_account(world, its_app, owned, what, path, query)


def _about_account(world: World, app: App, owned: list[Number], what: str, path: str, query: Json) -> Json:
    if _MANAGEMENT not in owned[0].scopes:
        raise GraphError(200, message="You do not have the necessary permissions to access this object.")
    name = path.partition("/")[0]
    if what == "number":
        for number in owned:
            if number.phone_number_id == name:
                return about_number(number)
        raise _no_object(name)
    numbers = [number for number in owned if number.waba_id == name]
    if not numbers:
        raise _no_object(name)
    match what:
        case "numbers":
            return _page([about_number(number) for number in numbers], query)
        case "subscribe":
            world.subscribed.add((app.id, name))
            return {"success": True}
        case "unsubscribe":
            world.subscribed.discard((app.id, name))
            return {"success": True}
        case "subscribed":
            told = [app_id for app_id, waba_id in sorted(world.subscribed) if waba_id == name]
            return {"data": [{"whatsapp_business_api_data": {"id": app_id, "name": "An app"}} for app_id in told]}
    return _page([_template(*named, t) for number in numbers for named, t in number.templates.items()], query)


def _template(name: str, language: str, template: ApprovedTemplate) -> Json:
    text = "Please write again." + "".join(f" {{{{{place + 1}}}}}" for place in range(template.places))
    body = {"type": "BODY", "text": text}
    return {"name": name, "language": language, "status": template.state.upper(), "components": [body]}


def _page(found: list[Json], query: Json) -> Json:
    start, limit = int(query.get("after") or 0), int(query.get("limit") or 25)
    page: Json = {"data": found[start : start + limit]}
    if start + limit < len(found):
        page["paging"] = {"cursors": {"after": str(start + limit)}, "next": "https://graph.example/next"}
    return page


def _about_token(world: World, app: App, query: Json) -> Json:
    asked = str(query.get("input_token"))
    number = next((number for number in world.numbers.values() if number.token == asked), None)
    if number is None or _has_expired(world, number):
        error = {"code": 190, "message": "The access token could not be decrypted"}
        return {"data": {"app_id": app.id, "is_valid": False, "scopes": [], "error": error}}
    its_app = number.app or app
    about = {
        "app_id": its_app.id,
        "application": its_app.name,
        "type": "SYSTEM_USER",
        "expires_at": number.token_expires_at,
        "is_valid": True,
        "scopes": sorted(number.scopes),
    }
    return {"data": about}


def _has_expired(world: World, number: Number) -> bool:
    return number.token_state == "expired" or 0 < number.token_expires_at <= world.now()


def _check_proof(app: App, token: str, query: Json) -> None:
    proof = query.get("appsecret_proof")
    right = hmac.new(app.secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    if proof is not None and proof != right:
        raise GraphError(
            100, message="Invalid appsecret_proof provided in the API argument", kind="GraphMethodException"
        )


def _no_object(name: str) -> GraphError:
    why = (
        f"Unsupported get request. Object with ID '{name}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation."
    )
    return GraphError(100, subcode=33, message=why, kind="GraphMethodException")
