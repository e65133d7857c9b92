"""A tenant's settings as somebody sees and uses them, empty and filled."""

from typing import Any

import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from konstruct.desk import editing
from konstruct.model_keys import keeping
from konstruct.model_keys.keeping import Candidate
from tests.browser.checking import check_page
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office

PATHS = ["", "/models", "/models/openai", "/desk", "/desk/people/new", "/desk/groups/new", "/retention", "/delete"]


@pytest.fixture
async def owner(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, tenant=office.tenant_id)


async def furnish(office: Office, owner: Enrolled) -> None:
    async with office.session() as session:
        put: dict[str, Any] = {"actor": owner.actor}
        for name in ("Grace Hopper", "Linus Pauling"):
            await editing.put_person(session, office.tenant_id, None, {"name": name}, **put)
        week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-12:00, 13:00-17:00")
        people = ["grace-hopper", "linus-pauling"]
        await editing.put_group(session, office.tenant_id, None, {"people": people, "hours": week}, name="Front", **put)
        await editing.put_group(session, office.tenant_id, None, {"people": people[:1]}, name="Refunds", **put)
        for candidate in (
            Candidate("anthropic", SecretStr("sk-ant-of-this-test-4321")),
            Candidate("openai", SecretStr("sk-of-this-test-8765"), "https://llm.example.com/v1"),
        ):
            await keeping.keep(session, office.vault, office.tenant_id, candidate, **put)
        await keeping.note_tested(session, "openai", "OpenAI does not take this key.", **put)


async def test_every_section_can_be_seen_and_read_empty_and_filled(
    page_as: Any, owner: Enrolled, office: Office
) -> None:
    page = await page_as(owner)
    for path in PATHS:
        await page.goto(f"/t/{owner.slug}/settings{path}")
        await check_page(page)
    await furnish(office, owner)
    for path in ("/models", "/desk", "/desk/groups/front", "/desk/people/grace-hopper"):
        await page.goto(f"/t/{owner.slug}/settings{path}")
        await check_page(page)


async def test_a_wrong_key_takes_the_focus_to_what_is_wrong(page_as: Any, owner: Enrolled) -> None:
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/settings/models/anthropic")
    await page.get_by_label("API key").fill("sk-proj-of-somebody-else")
    await page.get_by_role("button", name="Test and keep").click()
    summary = page.locator("[data-error-summary]")
    await expect(summary).to_be_focused()
    await expect(summary).to_contain_text("This is a key of OpenAI")
    await expect(page.get_by_label("API key")).to_have_value("")
    await check_page(page)


async def test_a_group_is_made_with_its_hours(page_as: Any, owner: Enrolled, office: Office) -> None:
    async with office.session() as session:
        await editing.put_person(session, office.tenant_id, None, {"name": "Grace"}, actor=owner.actor)
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/settings/desk")
    await page.get_by_role("link", name="Add a group").first.click()
    await page.get_by_label("Name", exact=True).fill("Front desk")
    await page.get_by_role("checkbox", name="Grace").check()
    await page.get_by_role("radio", name="During these hours").check()
    await page.get_by_label("Monday").fill("nine to five")
    await page.get_by_role("button", name="Add the group").click()
    await expect(page.locator("[data-error-summary]")).to_be_focused()
    await page.get_by_label("Monday").fill("09:00-17:00")
    await page.get_by_role("button", name="Add the group").click()
    await expect(page.get_by_text("“front-desk” is saved.")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="front-desk")).to_contain_text("Open")
    await page.get_by_role("button", name="Remove Grace").click()
    await page.get_by_role("button", name="Remove them").click()
    await expect(page.get_by_text("the only one in “front-desk”")).to_be_visible()


async def test_a_shorter_time_is_confirmed_by_its_name(page_as: Any, owner: Enrolled) -> None:
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/settings/retention")
    await page.get_by_role("textbox", name="Messages").fill("30")
    await page.get_by_role("button", name="Save").click()
    await check_page(page)
    button = page.get_by_role("button", name="Remove what is older")
    await expect(button).to_be_disabled()
    await page.get_by_label(f"Type {owner.slug} to go on").fill(owner.slug)
    await button.click()
    await expect(page.get_by_text("Saved. What is older goes within the hour.")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Messages")).to_have_value("30")
