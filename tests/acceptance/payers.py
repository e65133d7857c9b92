"""A product that bills: beside a pretended Stripe and a mail server; and an owner with a browser who pays there."""

import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect
from ruamel.yaml import YAML

from tests.acceptance.town import ANTHROPIC, Office, Town, running_town
from tests.browser.checking import DESK
from tests.support.commands import konstruct
from tests.support.mail_double import MailDouble, open_mail_double
from tests.support.model_doubles import Json
from tests.support.ports import free_ports
from tests.support.processes import until
from tests.support.slack_double import Workspace
from tests.support.stripe_double import StripeDouble

PASSWORD = "four quiet lanterns drifting"
_LINK = re.compile(r"http://\S+")


@dataclass
class Mall:
    """Where businesses pay for what they use."""

    town: Town
    stripe: StripeDouble
    mails: MailDouble

    async def command(self, *arguments: str) -> str:
        outcome = await konstruct(*arguments, env=self.town.env)
        assert outcome.status == 0, outcome
        return outcome.said

    async def offer(self, **messages: int) -> None:
        """Plans that include so many messages a month, as an operator has them: written, and told to Stripe."""
        yaml = YAML()
        plans = yaml.load(await self.command("billing", "plans"))
        for plan, most in messages.items():
            plans["plans"][plan]["limits"]["messages"] = most
        written = StringIO()
        yaml.dump(plans, written)
        file = self.town.folder / "plans.yaml"
        file.write_text(written.getvalue())
        await self.command("billing", "plans", "--file", str(file))
        await self.command("billing", "sync")
        await self.command("billing", "sync", "--check")

    def mails_to(self, address: str, subject: str) -> list[str]:
        """What they say, of those whose subject holds this."""
        found = [each.message for each in self.mails.inbox if address in each.recipients]
        return [each.get_content() for each in found if subject in each["subject"]]

    async def mail_to(self, address: str, subject: str) -> str:
        await until(lambda: bool(self.mails_to(address, subject)), timeout=60)
        return self.mails_to(address, subject)[0]


@dataclass
class Payer:
    """The owner of a business."""

    mall: Mall
    page: Page
    email: str
    slug: str = ""

    async def press(self, name: str, role: str = "button") -> None:
        """What of several is the first: in the bar above a page, and again on the page."""
        target = self.page.get_by_role("link" if role == "link" else "button", name=name, exact=True)
        await target.first.click()

    async def reads(self, *texts: str) -> None:
        for text in texts:
            await expect(self.page.get_by_text(text).first).to_be_visible()

    async def sign_up(self, business: str) -> None:
        await self.page.goto("/")
        await self.press("Sign up", "link")
        written = {"Your name": "Nora Lind", "Work e-mail": self.email, "Password": PASSWORD, "Business": business}
        for label, text in written.items():
            await self.page.get_by_label(label, exact=True).fill(text)
        await self.press("Sign up")
        [link] = _LINK.findall(await self.mall.mail_to(self.email, "Confirm your e-mail address"))
        await self.page.goto(link)
        await self.press("Open my account")
        await expect(self.page.get_by_role("heading", name=f"Set up {business}")).to_be_visible()
        self.slug = self.page.url.partition("/t/")[2].partition("/")[0]

    async def open_shop(self, business: str) -> Office:
        """From signing up to an employee that answers in the business's Slack."""
        workspace = self._workspace(business)
        await self.sign_up(business)
        await self.press("Add to Slack")
        await self.press(f"Allow in {workspace.name}")
        await self.reads("is connected")
        knows = self.page.get_by_label("What should it know of your business?", exact=False)
        await knows.fill("We repair bicycles. Open Tuesday to Saturday.")
        await self.press("Publish and go on")
        await self.reads("Waiting for your message")
        return Office(self.mall.town, self.slug, workspace, {}, (ANTHROPIC,), {})

    def _workspace(self, business: str) -> Workspace:
        unique = secrets.token_hex(5).upper()
        return self.mall.town.slack.world.add_workspace(
            team_id=f"T{unique}",
            bot_user_id=f"U{unique}B",
            bot_id=f"B{unique}",
            bot_token=f"xoxb-{unique}-{secrets.token_hex(8)}",
            name=f"{business} {unique}",
        )

    async def visit(self, path: str) -> None:
        answer = await self.page.goto(f"/t/{self.slug}/{path}")
        assert answer is not None
        assert answer.ok, answer.status

    async def give_card(self, number: str = "4242424242424242") -> None:
        """On Stripe's page."""
        written = {"Card number": number, "Expiration": "12 / 40", "CVC": "123", "Cardholder name": "Nora Lind"}
        for label, text in written.items():
            await self.page.get_by_label(label).fill(text)

    async def set_budget(self, dollars: str, when_spent: str) -> None:
        """Of the whole business."""
        await self.visit("usage/budgets")
        await self.page.get_by_label("US dollars a month").fill(dollars)
        await self.page.get_by_role("radio", name=when_spent).check()
        await self.press("Save budgets")
        await self.reads("Budgets saved.")

    async def account(self) -> Json:
        [row] = await self.mall.town.rows(
            "select to_jsonb(b) from billing_accounts b join tenants t on t.id = b.tenant_id where t.slug = $1",
            self.slug,
        )
        return row

    async def is_known(self, status: str, plan: str) -> Json:
        """Waits until the product knows this of the subscription, by what Stripe told it."""
        found: list[Json] = []

        async def holds() -> bool:
            found[:] = [await self.account()]
            return (found[0]["status"], found[0]["plan"]) == (status, plan)

        await until(holds, timeout=90)
        return found[0]


@asynccontextmanager
async def open_mall(folder: Path) -> AsyncIterator[Mall]:
    ports = free_ports("gateway_port", "portal_port", "ui_port", "refusing_port", "crm_port")
    stripe = StripeDouble(webhook_url=f"http://127.0.0.1:{ports['gateway_port']}/stripe/webhook")
    # What is not paid in the end stays open, so that it can be paid late.
    stripe.rules.after_retries = "unpaid"
    async with stripe.running(), open_mail_double() as mails:
        # Its time goes on by `advance` alone, so that sums are exact.
        stripe.clock.freeze(int(time.time()))
        settings: dict[str, Any] = {
            "stripe_secret_key": stripe.key,
            "stripe_webhook_secret": f"whsec_older,{stripe.webhook_secret}",
            "stripe_api_url": stripe.url,
            "smtp_url": f"smtp://127.0.0.1:{mails.port}",
            # A model that is slow on a machine with much to do is not passed over for one that costs something else.
            "turn_budget_seconds": 60,
            "mail_from": "Konstruct <konstruct@example.com>",
        }
        async with running_town(folder, **ports, **settings) as town:
            yield Mall(town, stripe, mails)


@asynccontextmanager
async def open_payer(mall: Mall, browser: Browser) -> AsyncIterator[Payer]:
    portal = f"http://127.0.0.1:{mall.town.env['KONSTRUCT_PORTAL_PORT']}"
    context = await browser.new_context(base_url=portal, viewport=DESK, reduced_motion="reduce", locale="en-GB")
    context.set_default_timeout(30_000)
    page = await context.new_page()
    yield Payer(mall, page, f"nora-{secrets.token_hex(5)}@example.com")
    await context.close()
