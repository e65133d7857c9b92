"""`konstruct billing`, as an operator runs it beside a Stripe double."""

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from konstruct.billing import entitlements, offering, plans
from konstruct.billing.plans import Plan
from konstruct.db import Database
from konstruct.errors import BadInput
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.support.commands import CHECKOUT, Outcome, konstruct
from tests.support.members import enrolled
from tests.support.processes import environment
from tests.support.stripe_double import StripeDouble, stripe_double
from tests.support.till import Till, open_payments

GUIDE = (CHECKOUT / "docs" / "billing.md").read_text()


@dataclass(frozen=True)
class Desk:
    env: dict[str, str]
    stripe: StripeDouble

    async def billing(self, *arguments: str) -> Outcome:
        return await konstruct("billing", *arguments, env=self.env)


@pytest.fixture
async def desk(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with stripe_double() as stripe:
        assert settings.database_url is not None
        env = environment(
            tmp_path,
            database_url=settings.database_url.get_secret_value(),
            encryption_keys=settings.encryption_keys[0].get_secret_value(),
            stripe_secret_key=stripe.key,
            stripe_api_url=stripe.url,
        )
        yield Desk(env, stripe)


async def listed(database: Database) -> list[Plan]:
    async with database.system_session() as session:
        return await plans.listed(session)


async def test_a_business_is_enrolled_pays_and_is_looked_at(desk: Desk, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault)
    of = ("--tenant", owner.slug)
    missing = await desk.billing("sync", "--check")
    made = await desk.billing("sync")
    checked = await desk.billing("sync", "--check")
    assert (missing.status, made.status, checked.status) == (1, 0, 0)
    assert "run `konstruct billing sync`" in missing.complained
    assert {line[0] for line in checked.said.splitlines()} == {"="}

    unbilled = await desk.billing("show", *of)
    first, again = await desk.billing("enroll", *of), await desk.billing("enroll", *of)
    assert "nothing limits it" in unbilled.said
    assert (first.said, again.said) == (f"{owner.slug} has the plan free now.\n", f"{owner.slug} had a plan before.\n")

    async with open_payments(desk.stripe) as payments:
        till = Till(desk.stripe, payments, database, owner.tenant_id)
        opened = await till.open("pro")
        desk.stripe.complete_checkout(opened.id)
    looked = await desk.billing("reconcile", *of)
    shown = await desk.billing("show", *of)
    assert looked.said == f"{owner.slug}: pro, trialing\n"
    assert "plan: pro, paid by the month\nstatus: trialing (full)\n" in shown.said
    assert "limits: employees 20" in shown.said

    desk.stripe.fail_next("/v1/customers/.*", 500, method="GET")
    failed = await desk.billing("reconcile", *of)
    assert (failed.status, "HTTP 500" in failed.complained) == (1, True)
    assert "problem: Stripe failed to answer" in (await desk.billing("show", *of)).said


async def test_more_is_agreed_with_one_business(desk: Desk, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault)
    of = ("--tenant", owner.slug)
    early = await desk.billing("grant", *of, "--feature", "api")
    await desk.billing("enroll", *of)
    wrong = [
        await desk.billing("grant", *of, *more)
        for more in (
            ("--feature", "magic"),
            ("--limit", "employees"),
            ("--limit", "employees=-1"),
            ("--limit", "seats=0"),
            ("--limit", "cars=1"),
            ("--plan", "gold"),
        )
    ]
    some = await desk.billing(
        "grant", *of, "--limit", "employees=7", "--limit", "messages=unlimited", "--feature", "api"
    )
    shown = await desk.billing("show", *of)
    all_of_it = await desk.billing("grant", *of, "--plan", "enterprise", "--anew")
    async with database.tenant_session(owner.tenant_id) as session:
        enterprise = await entitlements.of(session)
    nothing = await desk.billing("grant", *of, "--anew")

    assert (early.status, "billing enroll" in early.complained) == (1, True)
    assert [each.status for each in wrong] == [1] * 6
    assert some.said == (
        f'{owner.slug} has besides its plan: {{"limits": {{"employees": 7, "messages": null}}, "features": ["api"]}}\n'
    )
    assert "limits: employees 7, connections 1, messages unlimited" in shown.said
    assert "features: api\n" in shown.said
    assert all_of_it.status == 0
    assert enterprise.limits == entitlements.UNLIMITED
    assert nothing.said == f"{owner.slug} has what its plan has.\n"


async def test_plans_are_a_file(desk: Desk, database: Database, vault: Vault, tmp_path: Path) -> None:
    before = await listed(database)
    printed = await desk.billing("plans")
    file = tmp_path / "plans.yaml"
    file.write_text(printed.said)
    assert offering.read(file) == before
    try:
        file.write_text(printed.said.replace("amount: 4900\n", "amount: 5900\n").replace("name: Pro", "name: Profi"))
        replaced = await desk.billing("plans", "--file", str(file))
        changed = {plan.key: plan for plan in await listed(database)}
        assert "There are 4 plans now." in replaced.complained
        assert (changed["starter"].prices["month"].amount, changed["pro"].name) == (5_900, "Profi")
        assert [plan.key for plan in await listed(database)] == ["free", "starter", "pro", "enterprise"]
    finally:
        await offering.replace(database, before)
    assert await listed(database) == before


async def test_a_plan_that_somebody_has_stays(database: Database, vault: Vault, desk: Desk) -> None:
    owner = await enrolled(database, vault)
    await desk.billing("sync")
    await desk.billing("enroll", "--tenant", owner.slug)
    async with open_payments(desk.stripe) as payments:
        await Till(desk.stripe, payments, database, owner.tenant_id).subscribe("pro")
    before = await listed(database)
    with pytest.raises(Exception, match="The plan pro is still that of acme-"):
        await offering.replace(database, [plan for plan in before if plan.key != "pro"])
    assert await listed(database) == before


PLAN = """
  {key}:
    name: Plan
    description: A plan.
    currency: usd
    trial_days: 0
    limits: {{employees: 1, connections: 1, messages: 1, seats: 1, knowledge_mb: 1, retention_days: 1}}
    {more}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plans: 7", "needs `plans`"),
        ("plan: {}", "needs `plans`"),
        ("plans:" + PLAN.format(key="basic", more=""), "plans.free: is missing"),
        ("plans:" + PLAN.format(key="free", more="prize: 7"), "plans.free.prize: unknown field"),
        ("plans:" + PLAN.format(key="free", more="key: other"), "plans.free.key: unknown field"),
        ("plans:" + PLAN.format(key="Free!", more=""), "lower-case letters"),
        (
            "plans:" + PLAN.format(key="free", more="prices: {month: {lookup_key: some_price, amount: 1}}"),
            "has a price, and is the plan of those who pay for none",
        ),
        (
            "plans:" + PLAN.format(key="free", more="prices: {month: {lookup_key: some_price, amount: 1.5}}"),
            "must be a",
        ),
        (
            "plans:" + PLAN.format(key="free", more="prices: {week: {lookup_key: some_price, amount: 1}}"),
            "must be month or year",
        ),
        (
            "plans:"
            + PLAN.format(key="free", more="")
            + PLAN.format(key="a", more="prices: {month: {lookup_key: same, amount: 1}}")
            + PLAN.format(key="b", more="prices: {year: {lookup_key: same, amount: 1}}"),
            "plans.b.prices.year.lookup_key: is the lookup_key of another price, too",
        ),
        (
            "plans:"
            + PLAN.format(key="free", more="")
            + PLAN.format(
                key="a",
                more="metered: {event_name: models, lookup_key: models, unit_amount: '0.1'}\n    on_request: true",
            ),
            "goes with a price, and there is none",
        ),
        ("plans:" + PLAN.format(key="free", more="features: [magic]"), "plans.free.features"),
        (
            "plans:"
            + PLAN.format(key="free", more="")
            + "".join(
                PLAN.format(key=f"p{n}", more=f"prices: {{month: {{lookup_key: p_{n}_x, amount: 1}}}}")
                for n in range(11)
            ),
            "more than 10 plans",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / f"{secrets.token_hex(3)}.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as wrong:
        offering.read(file)
    assert said in str(wrong.value)


async def test_the_commands_of_the_guide_do_what_it_says(desk: Desk, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault)
    commands = [
        line.partition("#")[0].split()[2:]
        for line in GUIDE.splitlines()
        if line.strip().startswith("konstruct billing ")
    ]
    assert len(commands) == 9
    for command in commands:
        done = await desk.billing(*(owner.slug if word == "acme" else word for word in command))
        assert done.status == 0, (command, done)


def test_the_guide_shows_a_plan_as_it_is_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    file = tmp_path / "plans.yaml"
    file.write_text(example + PLAN.format(key="free", more=""))
    assert [plan.key for plan in offering.read(file)] == ["starter", "free"]


async def test_without_a_key_nothing_is_asked(desk: Desk, tmp_path: Path) -> None:
    env = {name: value for name, value in desk.env.items() if "STRIPE" not in name}
    live = desk.env | {"KONSTRUCT_STRIPE_SECRET_KEY": "sk_live_abc"}
    without = await konstruct("billing", "sync", env=env)
    elsewhere = await konstruct("billing", "sync", env=live)
    both = await desk.billing("enroll")
    assert (without.status, elsewhere.status, both.status) == (1, 1, 1)
    assert "KONSTRUCT_STRIPE_SECRET_KEY" in without.complained
    assert "to Stripe alone" in elsewhere.complained
    assert desk.stripe.calls == []
