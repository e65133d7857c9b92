"""What time does to a subscription: trials end, periods begin, payments are tried again, announcements come true.

- https://docs.stripe.com/billing/subscriptions/trials: without a card a trial ends in an invoice, a pause or a
  cancellation, as `trial_settings` says.
- https://docs.stripe.com/billing/subscriptions/overview: a renewal's invoice is a draft for an hour.
- https://docs.stripe.com/api/events/types: `trial_will_end` comes three days before.
"""

from collections.abc import Callable, Iterator
from functools import partial

from tests.support.stripe_double.customers import default_card
from tests.support.stripe_double.endpoints import Call, endpoint
from tests.support.stripe_double.invoices import end_of_period, lines_for_period, lines_for_use
from tests.support.stripe_double.paying import (
    DAY,
    PATIENCE,
    UNTIL_FINAL,
    attempt,
    bill,
    draft,
    end,
    finalize,
    void,
)
from tests.support.stripe_double.schedules import phase_items, release
from tests.support.stripe_double.wire import Json, Refusal
from tests.support.stripe_double.world import World

Due = tuple[int, Callable[[], object]]
_MOST_STEPS = 10_000
_RUNNING = ("trialing", "active", "past_due", "unpaid")


def due(world: World, clock: str | None) -> Iterator[Due]:
    """What will happen to whoever lives by this clock, and when."""
    for subscription in world.all_of("subscription", test_clock=clock):
        yield from _of_subscription(world, subscription)
    for invoice in world.all_of("invoice", test_clock=clock):
        yield from _of_invoice(world, invoice)
    for session in world.all_of("checkout.session", status="open"):
        if world.clock_of(session["customer"]) == clock:
            yield session["expires_at"], partial(expire, world, session)


def expire(world: World, session: Json) -> None:
    with world.changing(session, "checkout.session.expired"):
        session.update(status="expired", url=None)


def _of_subscription(world: World, subscription: Json) -> Iterator[Due]:
    status = subscription["status"]
    if status == "incomplete":
        yield subscription["created"] + PATIENCE, partial(_give_up_beginning, world, subscription)
    if status not in _RUNNING:
        return
    if status == "trialing" and not subscription["_is_warned"]:
        yield subscription["trial_end"] - 3 * DAY, partial(_warn, world, subscription)
    if subscription["pending_update"]:
        yield subscription["pending_update"]["expires_at"], partial(_expire_pending, world, subscription)
    if (paused := subscription["pause_collection"]) and paused["resumes_at"]:
        yield paused["resumes_at"], partial(_collect_again, world, subscription)
    if subscription["cancel_at"]:
        yield subscription["cancel_at"], partial(_end_as_announced, world, subscription)
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    yield ends, partial(_renew, world, subscription, ends)


def _of_invoice(world: World, invoice: Json) -> Iterator[Due]:
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
        yield invoice["automatically_finalizes_at"], partial(_charge, world, invoice)
    if invoice["status"] == "open" and invoice["next_payment_attempt"]:
        yield invoice["next_payment_attempt"], partial(attempt, world, invoice)


def _warn(world: World, subscription: Json) -> None:
    subscription["_is_warned"] = True
    world.emit("customer.subscription.trial_will_end", subscription)


def _give_up_beginning(world: World, subscription: Json) -> None:
    invoice = world.objects[subscription["latest_invoice"]]
    if invoice["status"] == "open":
        void(world, invoice)
    with world.changing(subscription):
        subscription.update(status="incomplete_expired", ended_at=world.now(subscription["test_clock"]))


def _expire_pending(world: World, subscription: Json) -> None:
    void(world, world.objects[subscription["_pending"]["invoice"]])


def _collect_again(world: World, subscription: Json) -> None:
    with world.changing(subscription):
        subscription["pause_collection"] = None


def _end_as_announced(world: World, subscription: Json) -> None:
    items = subscription["items"]["data"]
    lines = lines_for_use(world, subscription, items, until=world.now(subscription["test_clock"]))
    if lines or subscription["_pending_lines"]:
        bill(world, subscription, lines, "subscription_cycle")
    end(world, subscription, "cancellation_requested", at=subscription["cancel_at"])


def _charge(world: World, invoice: Json) -> None:
    finalize(world, invoice)
    if invoice["status"] == "open":
        attempt(world, invoice)


def _renew(world: World, subscription: Json, start: int) -> None:
    if subscription["status"] == "trialing" and not _trial_ends(world, subscription):
        return
    items = [item for item in subscription["items"]["data"] if item["current_period_end"] == start]
    lines = lines_for_use(world, subscription, items)
    with world.changing(subscription):
        phase_items(world, subscription, start)
        items = [item for item in subscription["items"]["data"] if item["current_period_end"] <= start]
        for item in items:
            anchor = subscription["billing_cycle_anchor"]
            item["current_period_start"] = start
            item["current_period_end"] = end_of_period(anchor, start, item["price"]["recurring"])
        if subscription["status"] == "trialing":
            subscription["status"] = "active"
    lines += lines_for_period(world, subscription, items)
    invoice = draft(world, subscription, lines, "subscription_cycle")
    _plan_collection(world, subscription, invoice)
    schedule = world.objects.get(subscription["schedule"] or "")
    if schedule is not None and schedule["current_phase"] is None:
        release(world, schedule)


def _plan_collection(world: World, subscription: Json, invoice: Json) -> None:
    """https://docs.stripe.com/billing/subscriptions/pause-payment, and what `unpaid` means for later invoices."""
    paused = subscription["pause_collection"]
    if subscription["status"] == "unpaid" or (paused and paused["behavior"] == "keep_as_draft"):
        invoice["auto_advance"] = False
    elif paused:
        finalize(world, invoice)
        if paused["behavior"] == "void" and invoice["status"] == "open":
            void(world, invoice)
    else:
        invoice["automatically_finalizes_at"] = world.now(subscription["test_clock"]) + UNTIL_FINAL


def _trial_ends(world: World, subscription: Json) -> bool:
    """Whether it goes on after that."""
    if default_card(world, world.objects[subscription["customer"]], subscription) is not None:
        return True
    match subscription["trial_settings"]["end_behavior"]["missing_payment_method"]:
        case "cancel":
            end(world, subscription, "cancellation_requested", at=subscription["trial_end"])
            return False
        case "pause":
            with world.changing(subscription, "customer.subscription.paused"):
                subscription["status"] = "paused"
            return False
    return True


@endpoint("POST", "/v1/subscriptions/{subscription}/resume", "SubscriptionResumeParams")
def resume(call: Call) -> Json:
    """https://docs.stripe.com/api/subscriptions/resume: a new period begins, and is paid first."""
    world, subscription = call.world, call.named("subscription", "subscription")
    if subscription["status"] != "paused":
        raise Refusal("You can only resume subscriptions that are paused.")
    now = world.now(subscription["test_clock"])
    items = subscription["items"]["data"]
    with world.changing(subscription, "customer.subscription.resumed"):
        subscription["billing_cycle_anchor"] = now
        for item in items:
            item["current_period_start"] = now
            item["current_period_end"] = end_of_period(now, now, item["price"]["recurring"])
        subscription["status"] = "past_due"
    bill(world, subscription, lines_for_period(world, subscription, items), "subscription_update")
    return subscription


def advance(world: World, clock: str | None, target: int) -> None:
    """All that is due until then happens in its order, each at its time."""
    for _ in range(_MOST_STEPS):
        waiting = [each for each in due(world, clock) if each[0] <= target]
        if not waiting:
            break
        moment, happen = min(waiting, key=lambda each: each[0])
        with world.at(clock, max(moment, world.now(clock))):
            happen()
    else:
        raise RuntimeError("time does not get any further here")
    if clock is None:
        world.set_time(target)
    else:
        world.objects[clock]["frozen_time"] = target


@endpoint("POST", "/v1/test_helpers/test_clocks/{clock}/advance", "test_helpers.TestClockAdvanceParams")
def advance_clock(call: Call) -> Json:
    """Forward, by at most two intervals of the shortest subscription: https://docs.stripe.com/api/test_clocks/advance"""
    world, clock = call.world, call.named("clock", "test_helpers.test_clock")
    target = call.params["frozen_time"]
    if target <= clock["frozen_time"]:
        raise Refusal("The clock can only be advanced to a later time.", param="frozen_time")
    limit = _furthest(world, clock)
    if target > limit:
        raise Refusal(
            f"The time can be advanced by at most two intervals of the shortest subscription, which is to {limit}.",
            param="frozen_time",
        )
    before = dict(clock)
    advance(world, clock["id"], target)
    # It takes a while there; whoever asks again finds it ready.
    world.emit("test_helpers.test_clock.ready", clock)
    return {**before, "status": "advancing", "status_details": {"advancing": {"target_frozen_time": target}}}


def _furthest(world: World, clock: Json) -> int:
    recurring = [
        item["price"]["recurring"]
        for subscription in world.all_of("subscription", test_clock=clock["id"])
        for item in subscription["items"]["data"]
    ]
    now: int = clock["frozen_time"]
    if not recurring:
        return now + 2 * 366 * DAY
    return min(end_of_period(now, end_of_period(now, now, each), each) for each in recurring)


@endpoint("DELETE", "/v1/test_helpers/test_clocks/{clock}", "test_helpers.TestClockDeleteParams")
def delete_clock(call: Call) -> Json:
    """Whoever was attached to it goes with it."""
    world, clock = call.world, call.named("clock", "test_helpers.test_clock")
    for held in [each for each in world.objects.values() if each.get("test_clock") == clock["id"]]:
        del world.objects[held["id"]]
    del world.objects[clock["id"]]
    return {"id": clock["id"], "object": clock["object"], "deleted": True}
