"""What an invoice would be: the next one of a subscription, or that of a change that is being considered.

https://docs.stripe.com/api/invoices/create_preview: with `always_invoice`, or where a new period begins, only what the
change itself costs now; else what the next renewal will be, the prorations on it; by a schedule, what its next phase
begins with. It stores nothing.
"""

from tests.support.stripe_double.changes import plan
from tests.support.stripe_double.customers import customer_of
from tests.support.stripe_double.endpoints import Call, endpoint
from tests.support.stripe_double.invoices import build, end_of_period, lines_for_period, lines_for_use
from tests.support.stripe_double.wire import Json, Refusal


@endpoint("POST", "/v1/invoices/create_preview", "InvoiceCreatePreviewParams")
def create_preview(call: Call) -> Json:
    return _of_schedule(call) if "schedule" in call.params else _of_subscription(call)


def _of_subscription(call: Call) -> Json:
    world, given = call.world, call.params
    if "subscription" not in given:
        raise Refusal("The double previews invoices of subscriptions and schedules alone.", param="subscription")
    subscription = world.find("subscription", given["subscription"], param="subscription")
    if "customer" in given and customer_of(world, given["customer"])["id"] != subscription["customer"]:
        raise Refusal(
            f"The subscription `{subscription['id']}` does not belong to the customer `{given['customer']}`.",
            param="subscription",
        )
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise _none(subscription["customer"])
    details = dict(given.get("subscription_details", {}))
    if details.get("trial_end") == "":
        del details["trial_end"]
    change = plan(world, subscription, details)
    stops = details.get("cancel_at_period_end", subscription["cancel_at"] is not None)
    if details.get("cancel_now"):
        raise Refusal("The double does not preview immediate cancellations.", param="subscription_details[cancel_now]")
    if "items" in details and (change.begins_period or change.behavior == "always_invoice"):
        return build(world, subscription, change.lines, "subscription_update", is_preview=True)
    if stops and not change.lines:
        raise _none(subscription["customer"])
    lines = [*subscription["_pending_lines"], *change.lines]
    lines += lines_for_use(world, subscription, subscription["items"]["data"])
    if not stops:
        for item in change.items:
            start = item["current_period_end"]
            item["current_period_start"] = start
            anchor = change.trial_end or subscription["billing_cycle_anchor"]
            item["current_period_end"] = end_of_period(anchor, start, item["price"]["recurring"])
        lines += lines_for_period(world, subscription, change.items)
    return build(world, subscription, lines, "upcoming", is_preview=True)


def _of_schedule(call: Call) -> Json:
    """What the phase that comes next begins with."""
    world, given = call.world, call.params
    if wrong := {"subscription", "subscription_details"} & set(given):
        raise Refusal("You cannot give a schedule together with a subscription.", param=min(wrong))
    schedule = world.find("subscription_schedule", given["schedule"], param="schedule")
    subscription = world.objects.get(schedule["subscription"] or "")
    if subscription is None or schedule["current_phase"] is None:
        raise _none(schedule["customer"])
    start = schedule["current_phase"]["end_date"]
    coming = next((phase for phase in schedule["phases"] if phase["start_date"] == start), None)
    if coming is None:
        raise _none(schedule["customer"])
    items = []
    for held, wanted in zip(subscription["items"]["data"], coming["items"], strict=True):
        ends = end_of_period(start, start, world.objects[wanted["price"]]["recurring"])
        item = {**held, "price": world.objects[wanted["price"]], "quantity": wanted["quantity"]}
        items.append(item | {"current_period_start": start, "current_period_end": ends})
    lines = [*subscription["_pending_lines"], *lines_for_use(world, subscription, subscription["items"]["data"])]
    return build(world, subscription, lines + lines_for_period(world, subscription, items), "upcoming", is_preview=True)


def _none(customer: str) -> Refusal:
    return Refusal(f"No upcoming invoices for customer: {customer}", code="invoice_upcoming_none", status=404)
