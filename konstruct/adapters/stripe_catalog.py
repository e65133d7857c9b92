"""What Stripe has to know before anybody can pay: products, prices, meters and the portal's configuration.

Plans say what there is to be. What is at Stripe is compared with that, and made or changed where it differs; prices,
which never change there, are replaced, and whoever pays an old one goes on paying it.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from stripe.params import PriceCreateParams, ProductCreateParams
from stripe.params.billing import MeterCreateParams
from stripe.params.billing_portal import ConfigurationCreateParams

from konstruct.adapters.stripe import CONFIGURATION
from konstruct.adapters.stripe_calls import StripeCalls
from konstruct.adapters.stripe_facts import KEPT_LOOKUP_KEY, Json, id_of
from konstruct.billing.plans import EVERY, Plan
from konstruct.errors import PaymentsRefused

_CONTENT: Final = "konstruct_content"
"""In the configuration's metadata: a digest of what it was told, as Stripe does not answer all of it."""
_FEW: Final = 10
"""So many lookup keys are asked for at once, and so many products can be chosen from in the portal."""


@dataclass(frozen=True)
class Difference:
    sign: Literal["+", "~", "="]
    """To be made, to be changed, or as it is to be."""
    what: str

    def __str__(self) -> str:
        return f"{self.sign} {self.what}"


@dataclass(frozen=True)
class _Wanted:
    """A price of a plan."""

    product: str
    product_name: str
    description: str
    lookup_key: str
    currency: str
    amount: Decimal
    interval: str
    event_name: str | None = None


class StripeCatalog:
    def __init__(self, calls: StripeCalls) -> None:
        self._calls = calls
        self._v1 = calls.v1
        # Each run is an attempt of its own: what was deleted by hand since the last is to be made again.
        self._run = secrets.token_hex(8)

    async def sync(self, offered: Sequence[Plan], *, is_check: bool) -> list[Difference]:
        """``is_check``: only tells what it would do.

        Raises:
            PaymentsUnavailable, PaymentsRefused
        """
        differences: list[Difference] = []
        wanted = [each for plan in offered for each in _prices(plan)]
        if len({each.product for each in wanted if each.event_name is None}) > _FEW:
            raise PaymentsRefused("Stripe's portal offers ten plans at most, and there are more.", "too_many_plans")
        for product, name, description in dict.fromkeys((e.product, e.product_name, e.description) for e in wanted):
            differences.append(await self._product(product, name, description, is_check=is_check))
        meters: dict[str, str] = {}
        for event_name in dict.fromkeys(each.event_name for each in wanted if each.event_name):
            differences.append(await self._meter(event_name, meters, is_check=is_check))
        held = await self._held([each.lookup_key for each in wanted])
        ids: dict[str, str] = {}
        replaced: list[str] = []
        for each in wanted:
            differences.append(await self._price(each, held, meters, ids, replaced, is_check=is_check))
        differences.append(await self._portal(wanted, ids, is_check=is_check))
        for price_id in replaced:
            # Last of all: until here the portal may have offered it.
            await self._archive(price_id)
        return differences

    async def _archive(self, price_id: str) -> None:
        await self._calls.made(
            self._run,
            {"price": price_id, "active": False},
            lambda options: self._v1.prices.update_async(price_id, {"active": False}, options),
        )

    async def _product(self, product_id: str, name: str, description: str, *, is_check: bool) -> Difference:
        what = f"product {product_id}"
        wanted = {"name": name, "description": description, "active": True}
        found = await self._found_product(product_id)
        if found is not None and all(found.get(key) == value for key, value in wanted.items()):
            return Difference("=", what)
        if is_check:
            return Difference("+" if found is None else "~", what)
        if found is None:
            made: ProductCreateParams = {"id": product_id, "name": name, "description": description}
            await self._calls.made(self._run, made, lambda options: self._v1.products.create_async(made, options))
            return Difference("+", what)
        await self._calls.made(
            self._run,
            {"product": product_id, **wanted},
            lambda options: self._v1.products.update_async(
                product_id, {"name": name, "description": description, "active": True}, options
            ),
        )
        return Difference("~", what)

    async def _found_product(self, product_id: str) -> Json | None:
        try:
            return (await self._calls.asked(self._v1.products.retrieve_async(product_id))).to_dict()
        except PaymentsRefused as error:
            if error.code == "resource_missing":
                return None
            raise

    async def _meter(self, event_name: str, meters: dict[str, str], *, is_check: bool) -> Difference:
        what = f"meter {event_name}"
        async with self._calls.translated():
            page = await self._v1.billing.meters.list_async({"status": "active", "limit": 100})
            found = [each.to_dict() async for each in page.auto_paging_iter() if each.event_name == event_name]
        if found:
            _must_count(found[0])
            meters[event_name] = found[0]["id"]
            return Difference("=", what)
        if not is_check:
            params: MeterCreateParams = {
                "display_name": "Konstruct: models, in millionths of a US dollar",
                "event_name": event_name,
                "default_aggregation": {"formula": "sum"},
                "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
                "value_settings": {"event_payload_key": "value"},
            }
            made = await self._calls.made(
                self._run, params, lambda options: self._v1.billing.meters.create_async(params, options)
            )
            meters[event_name] = made.id
        return Difference("+", what)

    async def _held(self, keys: Sequence[str]) -> dict[str, Json]:
        """Prices by their lookup keys, whether or not they can still be bought."""
        held: dict[str, Json] = {}
        for start in range(0, len(keys), _FEW):
            few = list(keys[start : start + _FEW])
            page = await self._calls.asked(self._v1.prices.list_async({"lookup_keys": few, "limit": 100}))
            held |= {str(each.lookup_key): each.to_dict() for each in page.data}
        return held

    async def _price(
        self,
        wanted: _Wanted,
        held: Mapping[str, Json],
        meters: Mapping[str, str],
        ids: dict[str, str],
        replaced: list[str],
        *,
        is_check: bool,
    ) -> Difference:
        what = f"price {wanted.lookup_key}: {wanted.amount.normalize():f} {wanted.currency} minor units"
        what += f" a {wanted.interval}" if wanted.event_name is None else " for each unit"
        found = held.get(wanted.lookup_key)
        if found is not None and _is_same(found, wanted, meters):
            ids[wanted.lookup_key] = found["id"]
            return Difference("=", what)
        sign: Literal["+", "~"] = "+" if found is None else "~"
        if is_check:
            return Difference(sign, what)
        params = _price_params(wanted, meters)
        made = await self._calls.made(self._run, params, lambda options: self._v1.prices.create_async(params, options))
        ids[wanted.lookup_key] = made.id
        if found is not None and found["active"]:
            replaced.append(found["id"])
        return Difference(sign, what)

    async def _portal(self, wanted: Sequence[_Wanted], ids: Mapping[str, str], *, is_check: bool) -> Difference:
        what = "portal configuration"
        name, value = CONFIGURATION
        async with self._calls.translated():
            page = await self._v1.billing_portal.configurations.list_async({"active": True, "limit": 100})
            all_of_them = [each.to_dict() async for each in page.auto_paging_iter()]
        found = next((each for each in all_of_them if (each.get("metadata") or {}).get(name) == value), None)
        sold = [each for each in wanted if each.event_name is None]
        if any(each.lookup_key not in ids for each in sold):
            return Difference("+" if found is None else "~", what)
        features = _features(sold, ids)
        digest = hashlib.sha256(json.dumps(features, sort_keys=True).encode()).hexdigest()[:32]
        if found is not None and found["metadata"].get(_CONTENT) == digest and _holds(features, found["features"]):
            return Difference("=", what)
        if is_check:
            return Difference("+" if found is None else "~", what)
        params: ConfigurationCreateParams = {"features": features, "metadata": {name: value, _CONTENT: digest}}  # type: ignore[typeddict-item]
        if found is None:
            await self._calls.made(
                self._run, params, lambda options: self._v1.billing_portal.configurations.create_async(params, options)
            )
            return Difference("+", what)
        configuration_id = found["id"]
        await self._calls.made(
            self._run,
            {"configuration": configuration_id, **params},
            lambda options: self._v1.billing_portal.configurations.update_async(
                configuration_id,
                params,  # type: ignore[arg-type]
                options,
            ),
        )
        return Difference("~", what)


def _prices(plan: Plan) -> list[_Wanted]:
    """Every price of a plan, what is paid by use last and of a product of its own."""
    found = [
        _Wanted(
            *(f"konstruct_{plan.key}", plan.name, plan.description, price.lookup_key, plan.currency),
            amount=Decimal(price.amount),
            interval=every,
        )
        for every in EVERY
        if (price := plan.prices.get(every)) is not None
    ]
    if plan.metered is not None:
        found.append(
            _Wanted(
                *(f"konstruct_{plan.key}_models", f"{plan.name}: models", "Models, by what they cost."),
                *(plan.metered.lookup_key, plan.currency),
                amount=Decimal(plan.metered.unit_amount),
                interval="month",
                event_name=plan.metered.event_name,
            )
        )
    return found


def _must_count(meter: Json) -> None:
    kept = (meter["default_aggregation"]["formula"], meter["customer_mapping"]["event_payload_key"])
    if (*kept, meter["value_settings"]["event_payload_key"]) != ("sum", "stripe_customer_id", "value"):
        raise PaymentsRefused(
            f"Stripe's meter {meter['event_name']} does not add up `value` by `stripe_customer_id`: name another one in"
            " the plan, or deactivate this.",
            "other_meter",
        )


def _is_same(found: Json, wanted: _Wanted, meters: Mapping[str, str]) -> bool:
    recurring = found.get("recurring") or {}
    return bool(
        found["active"]
        and id_of(found["product"]) == wanted.product
        and found["currency"] == wanted.currency
        and found["billing_scheme"] == "per_unit"
        and Decimal(str(found["unit_amount_decimal"])) == wanted.amount
        and (recurring.get("interval"), recurring.get("interval_count")) == (wanted.interval, 1)
        and recurring.get("meter") == (meters.get(wanted.event_name) if wanted.event_name else None)
    )


def _price_params(wanted: _Wanted, meters: Mapping[str, str]) -> PriceCreateParams:
    params: PriceCreateParams = {
        "product": wanted.product,
        "currency": wanted.currency,
        "lookup_key": wanted.lookup_key,
        "transfer_lookup_key": True,
        "metadata": {KEPT_LOOKUP_KEY: wanted.lookup_key},
        "recurring": {"interval": "year" if wanted.interval == "year" else "month", "interval_count": 1},
    }
    if wanted.event_name is None:
        params["unit_amount"] = int(wanted.amount)
    else:
        params["unit_amount_decimal"] = wanted.amount
        params["recurring"] |= {"usage_type": "metered", "meter": meters[wanted.event_name]}
    return params


def _features(sold: Sequence[_Wanted], ids: Mapping[str, str]) -> dict[str, Any]:
    """Of the portal: upgrades at once and paid for at once, everything else at the end of the period."""
    products: dict[str, list[str]] = {}
    for each in sold:
        products.setdefault(each.product, []).append(ids[each.lookup_key])
    update: dict[str, Any] = {"enabled": False}
    if products:
        update = {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "products": [{"product": product, "prices": prices} for product, prices in products.items()],
            "proration_behavior": "always_invoice",
            "schedule_at_period_end": {
                "conditions": [{"type": "decreasing_item_amount"}, {"type": "shortening_interval"}]
            },
            "trial_update_behavior": "continue_trial",
        }
    return {
        "customer_update": {"enabled": True, "allowed_updates": ["name", "email", "address", "tax_id"]},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
        "subscription_update": update,
    }


def _holds(wanted: object, found: object) -> bool:
    """Whether all that was told is still so, of what Stripe answers: ``products`` it may leave out."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _holds(value, found[key])
            for key, value in wanted.items()
            if not (key == "products" and found.get(key) is None)
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(any(_holds(each, other) for other in found) for each in wanted)
        )
    return wanted == found
