"""Subscription schedules: what a subscription changes to at the end of its period.

https://docs.stripe.com/billing/subscriptions/subscription-schedules and
https://docs.stripe.com/api/subscription_schedules: made from a subscription that runs, it has that as its first phase;
phases follow each other without a gap; a subscription is of one schedule at most; after the last phase it is released,
or the subscription canceled.
"""

from tests.support.stripe_double.endpoints import Call, endpoint, retrieval
from tests.support.stripe_double.invoices import end_of_period
from tests.support.stripe_double.paying import end
from tests.support.stripe_double.wire import Json, Refusal, listed
from tests.support.stripe_double.world import World, merge_metadata


def from_subscription(world: World, subscription: Json) -> Json:
    if subscription["schedule"]:
        raise Refusal(
            f"You cannot migrate a subscription that is already attached to a schedule: {subscription['schedule']}.",
            param="from_subscription",
        )
    items = subscription["items"]["data"]
    start, ends = items[0]["current_period_start"], items[0]["current_period_end"]
    schedule = world.add(
        "sub_sched",
        "subscription_schedule",
        subscription["test_clock"],
        application=None,
        billing_mode=subscription["billing_mode"],
        canceled_at=None,
        completed_at=None,
        current_phase={"start_date": start, "end_date": ends},
        customer=subscription["customer"],
        default_settings={},
        end_behavior="release",
        metadata={},
        phases=[_phase(start, ends, [_named(item) for item in items])],
        released_at=None,
        released_subscription=None,
        status="active",
        subscription=subscription["id"],
        test_clock=subscription["test_clock"],
    )
    with world.changing(subscription):
        subscription["schedule"] = schedule["id"]
    world.emit("subscription_schedule.created", schedule)
    return schedule


def _phase(start: int, ends: int, items: list[Json], behavior: str = "create_prorations") -> Json:
    return {
        "currency": "usd",
        "end_date": ends,
        "items": items,
        "metadata": {},
        "proration_behavior": behavior,
        "start_date": start,
        "trial_end": None,
    }


def _named(item: Json) -> Json:
    return {"price": item["price"]["id"], "quantity": item.get("quantity"), "metadata": {}}


def current(schedule: Json) -> Json:
    start = schedule["current_phase"]["start_date"]
    found: Json = next(phase for phase in schedule["phases"] if phase["start_date"] == start)
    return found


def then(world: World, schedule: Json, items: list[Json]) -> None:
    """One more phase: what it is after those that are arranged."""
    start = schedule["phases"][-1]["end_date"]
    recurring = world.objects[items[0]["price"]]["recurring"]
    with world.changing(schedule):
        schedule["phases"] = [*schedule["phases"], _phase(start, end_of_period(start, start, recurring), items, "none")]


def phase_items(world: World, subscription: Json, now: int) -> None:
    """What the phase that begins now says, if one does."""
    schedule = world.objects.get(subscription["schedule"] or "")
    if schedule is None or schedule["status"] != "active":
        return
    coming = next((phase for phase in schedule["phases"] if phase["start_date"] == now), None)
    if coming is None:
        # After the last one it is let go, and the subscription goes on as it is.
        schedule["current_phase"] = None
    else:
        data = []
        held = subscription["items"]["data"]
        for number, wanted in enumerate(coming["items"]):
            item = {**held[min(number, len(held) - 1)], "price": world.objects[wanted["price"]]}
            if number >= len(held):
                item["id"] = f"si_{world.line_id()[3:17]}"
            item.pop("quantity", None)
            if wanted.get("quantity") is not None:
                item["quantity"] = wanted["quantity"]
            world.objects[item["id"]] = item
            data.append(item)
        intervals = {(item["price"]["recurring"]["interval"]) for item in data}
        if intervals != {item["price"]["recurring"]["interval"] for item in subscription["items"]["data"]}:
            subscription["billing_cycle_anchor"] = now
        subscription["items"] = subscription["items"] | {"data": data, "total_count": len(data)}
        schedule["current_phase"] = {name: coming[name] for name in ("start_date", "end_date")}
        if coming is schedule["phases"][-1] and schedule["end_behavior"] == "cancel":
            subscription["cancel_at"] = coming["end_date"]
        world.emit("subscription_schedule.updated", schedule)


def release(world: World, schedule: Json) -> Json:
    subscription = world.objects[schedule["subscription"]]
    schedule.update(
        current_phase=None,
        released_at=world.now(schedule["test_clock"]),
        released_subscription=subscription["id"],
        status="released",
        subscription=None,
    )
    with world.changing(subscription):
        subscription["schedule"] = None
    world.emit("subscription_schedule.released", schedule)
    return schedule


@endpoint("POST", "/v1/subscription_schedules", "SubscriptionScheduleCreateParams")
def create(call: Call) -> Json:
    given = call.params
    if "from_subscription" not in given:
        raise Refusal("The double makes schedules from subscriptions alone.", param="from_subscription")
    if set(given) - {"from_subscription", "expand"}:
        raise Refusal(
            "When `from_subscription` is set, other parameters cannot be. Update the schedule afterwards.",
            param="from_subscription",
        )
    subscription = call.world.find("subscription", given["from_subscription"], param="from_subscription")
    if subscription["status"] in ("canceled", "incomplete", "incomplete_expired"):
        raise Refusal("You cannot migrate a subscription that is not active.", param="from_subscription")
    return from_subscription(call.world, subscription)


@endpoint("POST", "/v1/subscription_schedules/{schedule}", "SubscriptionScheduleUpdateParams")
def update(call: Call) -> Json:
    world, given, schedule = call.world, call.params, _active(call)
    if "phases" in given:
        phases = [_read_phase(world, each, number) for number, each in enumerate(given["phases"])]
        for before, phase in zip([None, *phases], phases, strict=False):
            _chain(world, schedule, before, phase)
        with world.changing(schedule):
            schedule["phases"] = phases
    with world.changing(schedule):
        merge_metadata(schedule, given.get("metadata"))
        schedule["end_behavior"] = given.get("end_behavior", schedule["end_behavior"])
    return schedule


def _read_phase(world: World, given: Json, number: int) -> Json:
    items = []
    for each in given["items"]:
        price = world.find("price", each.get("price", ""), param=f"phases[{number}][items][price]")
        is_metered = price["recurring"]["usage_type"] == "metered"
        if is_metered and "quantity" in each:
            raise Refusal("You cannot set the quantity of an item whose price is metered.", param="phases")
        quantity = None if is_metered else each.get("quantity", 1)
        items.append({"price": price["id"], "quantity": quantity, "metadata": each.get("metadata", {})})
    behavior = given.get("proration_behavior", "create_prorations")
    phase = _phase(given.get("start_date", 0), given.get("end_date", 0), items, behavior)
    phase["_duration"] = given.get("duration")
    return phase


def _chain(world: World, schedule: Json, before: Json | None, phase: Json) -> None:
    if before is None:
        if phase["start_date"] not in {each["start_date"] for each in schedule["phases"]}:
            raise Refusal("The start date of the current phase cannot be changed.", param="phases[0][start_date]")
        phase["end_date"] = phase["end_date"] or current(schedule)["end_date"]
        return
    if phase["start_date"] not in (0, before["end_date"]):
        raise Refusal("Phases must follow each other without a gap.", param="phases[1][start_date]")
    phase["start_date"] = before["end_date"]
    recurring = phase["_duration"] or world.objects[phase["items"][0]["price"]]["recurring"]
    wanted = {"interval_count": 1, **recurring}
    phase["end_date"] = phase["end_date"] or end_of_period(before["end_date"], before["end_date"], wanted)


def _active(call: Call) -> Json:
    schedule = call.named("schedule", "subscription_schedule")
    if schedule["status"] not in ("active", "not_started"):
        raise Refusal(
            f"You cannot update a subscription schedule that is currently in the `{schedule['status']}` status."
        )
    return schedule


@endpoint("POST", "/v1/subscription_schedules/{schedule}/release", "SubscriptionScheduleReleaseParams")
def release_schedule(call: Call) -> Json:
    return release(call.world, _active(call))


@endpoint("POST", "/v1/subscription_schedules/{schedule}/cancel", "SubscriptionScheduleCancelParams")
def cancel_schedule(call: Call) -> Json:
    schedule = _active(call)
    end(call.world, call.world.objects[schedule["subscription"]], "cancellation_requested")
    return schedule


@endpoint("GET", "/v1/subscription_schedules", "SubscriptionScheduleListParams")
def list_schedules(call: Call) -> Json:
    wanted = {name: call.params[name] for name in ("customer",) if name in call.params}
    found = call.world.all_of("subscription_schedule", **wanted)
    return listed(found, call.params, "/v1/subscription_schedules")


retrieval("/v1/subscription_schedules/{schedule}", "subscription_schedule", "SubscriptionScheduleRetrieveParams")
