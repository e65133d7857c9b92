"""What an invoice would be: the next one of a subscription, or that of a change that is being considered.

https://docs.stripe.com/api/invoices/create_preview: with `always_invoice`, or where a new period begins, only what the
change itself costs now; else what the next renewal will be, the prorations on it. It stores nothing.
"""

from tests.support.stripe_double.changes import plan
from tests.support.stripe_double.customers import customer_of
from tests.support.stripe_double.endpoints import Call, endpoint
from tests.support.stripe_double.invoices import build, end_of_period, lines_for_period, lines_for_use
from tests.support.stripe_double.wire import Json, Refusal


@endpoint("POST", "/v1/invoices/create_preview", "InvoiceCreatePreviewParams")
def create_preview(call: Call) -> Json:
    world, given = call.world, call.params
    if "subscription" not in given:
        raise Refusal("The double previews invoices of subscriptions alone.", param="subscription")
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


def _none(customer: str) -> Refusal:
    return Refusal(f"No upcoming invoices for customer: {customer}", code="invoice_upcoming_none", status=404)
