"""`konstruct billing plans | sync | enroll | grant | show | reconcile`: what businesses pay for."""

import json
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from konstruct import tenants
from konstruct.adapters.stripe import StripePayments
from konstruct.adapters.stripe_calls import StripeCalls
from konstruct.adapters.stripe_catalog import StripeCatalog
from konstruct.billing import agreeing, entitlements, offering, plans, subscriptions
from konstruct.billing.entitlements import Entitlement
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.db import Database
from konstruct.errors import BadInput, PaymentsRefused, PaymentsUnavailable
from konstruct.settings import Settings, needed
from konstruct.visible import visible

ACTOR = "operator"
UNLIMITED = "unlimited"

app = typer.Typer(no_args_is_help=True, help="Say what businesses pay for, and look at what they do.")

Tenant = Annotated[str, typer.Option(help="Whose.")]


@app.command(name="plans")
def offer(
    file: Annotated[Path | None, typer.Option(help="Plans as YAML, in place of those there are.")] = None,
) -> None:
    """Print the plans as YAML, or replace them by a file of that form. Limits hold for everybody at once."""
    run(_offer(read_settings(), file))


async def _offer(settings: Settings, file: Path | None) -> None:
    async with open_database(settings) as database:
        if file is not None:
            offered = offering.read(file)
            await offering.replace(database, offered)
            typer.echo(f"There are {len(offered)} plans now. `konstruct billing sync` tells Stripe.", err=True)
            return
        async with database.system_session() as session:
            typer.echo(offering.shown(await plans.listed(session)), nl=False)


@app.command()
def sync(
    check: Annotated[bool, typer.Option("--check", help="Only say what differs; fails if anything does.")] = False,
) -> None:
    """Make products, prices, meters and the portal's configuration at Stripe as the plans say, or check them."""
    run(_sync(read_settings(), check))


async def _sync(settings: Settings, is_check: bool) -> None:
    async with open_database(settings) as database, database.system_session() as session:
        offered = await plans.listed(session)
    calls = _calls(settings)
    try:
        differences = await StripeCatalog(calls).sync(offered, is_check=is_check)
    finally:
        await calls.close()
    for difference in differences:
        typer.echo(str(difference))
    if is_check and any(difference.sign != "=" for difference in differences):
        typer.echo("Stripe differs from the plans: run `konstruct billing sync`.", err=True)
        raise typer.Exit(1)


@app.command()
def enroll(
    tenant: Annotated[str | None, typer.Option(help="Which business.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All that have no plan yet.")] = False,
) -> None:
    """Give businesses that were there before a plan, the free one, and its limits. Nothing of theirs is removed."""
    run(_enroll(read_settings(), tenant, everybody))


async def _enroll(settings: Settings, slug: str | None, everybody: bool) -> None:
    if (slug is None) != everybody:
        raise BadInput("Name a business by --tenant, or say --all.")
    async with open_database(settings) as database:
        for name, tenant_id in (await _named(database, slug)).items():
            async with database.tenant_session(tenant_id) as session:
                is_new = await agreeing.enroll(session, tenant_id, actor=ACTOR)
            typer.echo(f"{name} has the plan {plans.FREE} now." if is_new else f"{name} had a plan before.")


@app.command()
def grant(
    tenant: Tenant,
    limit: Annotated[
        list[str] | None, typer.Option(help=f"Such as employees=50, or {UNLIMITED}; repeat for more.")
    ] = None,
    feature: Annotated[list[str] | None, typer.Option(help="Such as own_keys; repeat for more.")] = None,
    plan: Annotated[str | None, typer.Option(help="All that this plan includes, whatever is paid.")] = None,
    anew: Annotated[bool, typer.Option(help="Forget what was granted before.")] = False,
) -> None:
    """Give one business other limits or more features than its plan has."""
    run(_grant(read_settings(), tenant, limit or [], feature or [], plan, anew))


async def _grant(
    settings: Settings, slug: str, limits: list[str], features: list[str], plan: str | None, anew: bool
) -> None:
    wanted = dict(_limit(each) for each in limits)
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            granted = await agreeing.grant(
                session, tenant_id, actor=ACTOR, limits=wanted, features=features, plan_key=plan, is_anew=anew
            )
    typer.echo(f"{slug} has besides its plan: {json.dumps(granted)}" if granted else f"{slug} has what its plan has.")


def _limit(given: str) -> tuple[str, int | None]:
    name, _, value = given.partition("=")
    if value == UNLIMITED:
        return name, None
    if not value.isascii() or not value.isdigit():
        raise BadInput(f"Say {name}=NUMBER, or {name}={UNLIMITED}.")
    return name, int(value)


@app.command()
def show(tenant: Tenant) -> None:
    """Say what a business pays for, how that stands, and what it gets."""
    run(_show(read_settings(), tenant))


async def _show(settings: Settings, slug: str) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            entitled = await entitlements.of(session)
    for line in _lines(entitled):
        typer.echo(visible(line))


def _lines(entitled: Entitlement) -> list[str]:
    account = entitled.account
    if account is None:
        return ["It is not billed, and nothing limits it."]
    dates = {
        "trial ends": account.trial_ends_at,
        "period ends": account.period_end,
        "ends": account.ends_at,
        "unpaid since": account.past_due_since,
        "looked at": account.synced_at,
    }
    limits = {name: UNLIMITED if most is None else str(most) for name, most in entitled.limits.model_dump().items()}
    return [
        f"plan: {account.plan}" + (f", paid by the {account.billed_every}" if account.billed_every else ""),
        f"status: {account.status} ({entitled.standing.level})",
        *(f"{name}: {at:%Y-%m-%d %H:%M} UTC" for name, at in dates.items() if at is not None),
        *([f"changes to: {account.next_plan} on {account.next_plan_at:%Y-%m-%d}"] if account.next_plan_at else []),
        *([f"customer: {account.customer_id}"] if account.customer_id else []),
        *([f"subscription: {account.subscription_id}"] if account.subscription_id else []),
        *(f"pays twice: {other}" for other in account.detail.get("others", ())),
        "limits: " + ", ".join(f"{name} {most}" for name, most in limits.items()),
        "features: " + (", ".join(sorted(entitled.features)) or "none"),
        *([f"agreed: {json.dumps(account.overrides)}"] if account.overrides else []),
        *([f"problem: {account.problem}"] if account.problem else []),
    ]


@app.command()
def reconcile(
    tenant: Annotated[str | None, typer.Option(help="Which business; without it, all.")] = None,
) -> None:
    """Look at Stripe what businesses pay for, as it is done every night."""
    run(_reconcile(read_settings(), tenant))


async def _reconcile(settings: Settings, slug: str | None) -> None:
    payments = StripePayments(_calls(settings))
    failed = False
    try:
        async with open_database(settings) as database:
            for name, tenant_id in (await _named(database, slug)).items():
                try:
                    account = await subscriptions.sync(database, payments, tenant_id)
                except (PaymentsUnavailable, PaymentsRefused) as error:
                    failed = True
                    typer.echo(f"{name}: {error}", err=True)
                    continue
                if account is not None:
                    trouble = f" ({account.problem})" if account.problem else ""
                    typer.echo(f"{name}: {account.plan}, {account.status}{trouble}")
    finally:
        await payments.close()
    if failed:
        raise typer.Exit(1)


async def _named(database: Database, slug: str | None) -> dict[str, UUID]:
    return await tenants.every(database) if slug is None else {slug: await tenant_called(database, slug)}


def _calls(settings: Settings) -> StripeCalls:
    return StripeCalls(needed(settings.stripe_secret_key, "KONSTRUCT_STRIPE_SECRET_KEY"), settings.stripe_api_url)
