"""Events to look up again, and where they are posted to.

- https://docs.stripe.com/api/events: for 30 days, newest first, by type or by several.
- https://docs.stripe.com/api/webhook_endpoints: the signing secret is shown once, when the endpoint is made.
"""

import secrets

from tests.support.stripe_double.delivery import Receiver
from tests.support.stripe_double.endpoints import Call, collection, endpoint, retrieval
from tests.support.stripe_double.wire import Json, Refusal, listed
from tests.support.stripe_double.world import API_VERSION, World, merge_metadata

_KEPT = 30 * 86_400


@endpoint("GET", "/v1/events", "EventListParams")
def list_events(call: Call) -> Json:
    world, given = call.world, call.params
    found = [event for event in world.events if event["created"] > world.now() - _KEPT]
    if "type" in given and "types" in given:
        raise Refusal("You may only specify one of these parameters: type, types.", param="type")
    if "type" in given:
        family = given["type"].removesuffix("*")
        found = [event for event in found if event["type"] == given["type"] or _is_in(event, given["type"], family)]
    if "types" in given:
        found = [event for event in found if event["type"] in given["types"]]
    if isinstance(given.get("created"), dict):
        found = [event for event in found if _is_between(event["created"], given["created"])]
    return listed(found, given, "/v1/events")


def _is_in(event: Json, wanted: str, family: str) -> bool:
    return bool(wanted.endswith(".*") and event["type"].startswith(family))


def _is_between(moment: int, bounds: Json) -> bool:
    return bool(
        bounds.get("gte", moment) <= moment <= bounds.get("lte", moment)
        and moment > bounds.get("gt", moment - 1)
        and moment < bounds.get("lt", moment + 1)
    )


@endpoint("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams")
def create_endpoint(call: Call) -> Json:
    given = call.params
    if not given["enabled_events"]:
        raise Refusal("Missing required param: enabled_events.", code="parameter_missing", param="enabled_events")
    made = call.world.add(
        "we",
        "webhook_endpoint",
        api_version=given.get("api_version", API_VERSION),
        application=None,
        description=given.get("description"),
        enabled_events=given["enabled_events"],
        metadata={},
        status="enabled",
        url=given["url"],
        _secret=f"whsec_{secrets.token_urlsafe(24)}",
    )
    merge_metadata(made, given.get("metadata"))
    return {**made, "secret": made["_secret"]}


@endpoint("POST", "/v1/webhook_endpoints/{endpoint}", "WebhookEndpointUpdateParams")
def update_endpoint(call: Call) -> Json:
    held = call.named("endpoint", "webhook_endpoint")
    given = dict(call.params)
    given.pop("expand", None)
    merge_metadata(held, given.pop("metadata", None))
    if "disabled" in given:
        held["status"] = "disabled" if given.pop("disabled") else "enabled"
    held.update(given)
    return held


@endpoint("DELETE", "/v1/webhook_endpoints/{endpoint}", "WebhookEndpointDeleteParams")
def delete_endpoint(call: Call) -> Json:
    held = call.named("endpoint", "webhook_endpoint")
    del call.world.objects[held["id"]]
    return {"id": held["id"], "object": "webhook_endpoint", "deleted": True}


def registered(world: World) -> list[Receiver]:
    return [
        Receiver(each["url"], each["_secret"], frozenset(each["enabled_events"]))
        for each in world.all_of("webhook_endpoint", status="enabled")
    ]


collection("/v1/webhook_endpoints", "webhook_endpoint", "WebhookEndpointListParams")
retrieval("/v1/webhook_endpoints/{endpoint}", "webhook_endpoint", "WebhookEndpointRetrieveParams")
retrieval("/v1/events/{event}", "event", "EventRetrieveParams")
