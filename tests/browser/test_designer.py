"""The designer in a browser: rules are built and tried, models put in order, versions compared; nothing is lost."""

import re

import pytest
from playwright.async_api import expect

from konstruct.designs import drafting
from konstruct.designs.content import Content
from konstruct.designs.drafting import Draft
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office


@pytest.fixture
async def ana(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, "admin", office.tenant_id, name="Ana Berg")


async def draft(office: Office, key: str = "ada") -> Content:
    async with office.session() as session:
        return (await drafting.read(session, key)).content


async def test_an_employee_is_made_designed_published_and_gone_back_to(
    office: Office, ana: Enrolled, page_as: PageAs
) -> None:
    page = await page_as(ana)
    await page.goto(f"/t/{ana.slug}/employees")
    await check_page(page)
    await page.get_by_role("link", name="New employee").click()
    await check_page(page)
    await page.get_by_label("Sales").check()
    await page.get_by_role("textbox", name="Name").fill("Otis")
    await page.get_by_role("button", name="Create draft").click()
    await expect(page).to_have_url(re.compile("/employees/otis$"))
    await check_page(page)

    await page.get_by_label("Instructions").fill("Sell bikes. Be honest about each of them.")
    await expect(page.locator("[data-tokens]")).to_have_text("14")
    await page.get_by_label("Steps with tools").fill("99")
    await page.get_by_label("Steps with tools").press("Tab")
    await expect(page.get_by_text("Caps: must be at most 30.")).to_be_visible()
    await page.get_by_label("Steps with tools").fill("5")
    await page.get_by_label("Steps with tools").press("Tab")
    await expect(page.get_by_text("Caps: must be at most 30.")).to_be_hidden()
    await page.get_by_role("button", name="Review and publish").click()
    await expect(page.get_by_role("heading", name="Publish Otis")).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Publish version 1").click()
    await expect(page.get_by_text("Version 1 is published")).to_be_visible()

    await page.get_by_label("Persona").fill("Loud.")
    await page.get_by_role("button", name="Review and publish").click()
    await page.get_by_label("Note").fill("Louder.")
    await page.get_by_role("button", name="Publish version 2").click()
    await page.get_by_role("link", name="Versions").click()
    await expect(page.get_by_text("“Louder.”")).to_be_visible()
    await check_page(page)
    await page.get_by_role("link", name=re.compile("^1? ?Version 1")).click()
    await page.get_by_label("Compare with").select_option("2")
    await page.get_by_role("button", name="Compare").click()
    await expect(page.locator("del")).to_contain_text(["Loud"])
    await check_page(page)
    await page.get_by_role("button", name="Go back to version 1").click()
    await expect(page.get_by_text("Version 3 serves now: it is what version 1 was.")).to_be_visible()


async def test_rules_are_built_by_keyboard_and_tried_on_what_was_said(
    office: Office, ana: Enrolled, page_as: PageAs
) -> None:
    await office.exchange("I want my money back for this bike", root="1.0")
    await office.exchange("Thank you!", root="2.0", contact="U2")
    page = await page_as(ana)
    await page.goto(f"/t/{ana.slug}/employees/ada")

    await page.get_by_role("button", name="Add rule").press("Enter")
    name = page.get_by_label("Name of rule 1")
    await expect(name).to_be_focused()
    await name.fill("refunds")
    await page.get_by_label("Rule 1, condition 1", exact=True).select_option("keyword")
    words = page.get_by_label("Rule 1, condition 1: Writes one of these words")
    await words.fill("refund, money back")
    await page.get_by_role("button", name="Group").press("Enter")
    await expect(page.get_by_label("Rule 1, condition 2: how many must hold")).to_be_focused()
    await page.get_by_label("Rule 1, condition 2.1", exact=True).select_option("turns")
    await page.get_by_label("Rule 1, condition 2.1: Turns taken, at least").fill("1")
    await page.get_by_role("button", name="Try the rules").press("Enter")

    await expect(page.locator("[data-outcome]")).to_have_text("1 of 2 conversations would have met a rule.")
    await expect(page.get_by_text("I want my money back for this bike")).to_be_visible()
    await expect(page.get_by_text("Thank you!")).to_have_count(0)
    assert await page.locator("#announcer").text_content() == "1 of 2 conversations would have met a rule."
    await check_page(page)
    assert (await draft(office))["escalation"] == []
    await page.get_by_role("button", name="Save draft", exact=True).last.click()
    await expect(page.get_by_text("The draft is saved.", exact=True)).to_be_visible()
    [rule] = (await draft(office))["escalation"]
    assert rule["when"] == {"all": [{"keyword": ["refund", "money back"]}, {"any": [{"turns": 1}]}]}


async def test_models_are_put_in_order_by_buttons_and_by_dragging(
    office: Office, ana: Enrolled, page_as: PageAs
) -> None:
    page = await page_as(ana)
    await page.goto(f"/t/{ana.slug}/employees/ada")
    for place, model in enumerate(("openai/gpt-5.4", "anthropic/claude-sonnet-5", "local/smollm2"), 1):
        await page.get_by_role("button", name="Add model").click()
        await page.get_by_label(f"Model {place}", exact=True).fill(model)
    await page.get_by_role("button", name="Move model 3 up").click()
    models = page.locator("[name=models]")
    await expect(models.nth(1)).to_have_value("local/smollm2")
    await page.locator(".grip").nth(2).drag_to(models.first, target_position={"x": 40, "y": 2})
    await expect(models.first).to_have_value("anthropic/claude-sonnet-5")
    await page.get_by_role("button", name="Save draft", exact=True).last.click()
    await expect(page.get_by_text("The draft is saved.", exact=True)).to_be_visible()
    assert (await draft(office))["models"] == ["anthropic/claude-sonnet-5", "openai/gpt-5.4", "local/smollm2"]


async def test_nothing_that_was_typed_is_lost_by_leaving_or_by_somebody_else(
    office: Office, ana: Enrolled, page_as: PageAs
) -> None:
    page = await page_as(ana)
    await page.goto(f"/t/{ana.slug}/employees/ada")
    await page.get_by_label("Role").fill("Sales")
    await page.get_by_role("link", name="Versions").click()
    await expect(page.get_by_role("heading", name="Leave without saving?")).to_be_visible()
    await page.get_by_role("button", name="Stay here").click()

    async with office.session() as session:
        theirs = await drafting.read(session, "ada")
        kept = await drafting.save(
            session, "ada", {**theirs.content, "persona": "Quick."}, revision=0, actor="user:ben"
        )
        assert isinstance(kept, Draft)
    await page.get_by_role("button", name="Save draft", exact=True).last.click()

    await expect(page.get_by_role("alert").filter(has_text="saved this draft")).to_be_focused()
    await expect(page.get_by_label("Role")).to_have_value("Sales")
    await check_page(page)
    await page.get_by_role("button", name="Save draft", exact=True).last.click()
    await expect(page.get_by_text("The draft is saved.", exact=True)).to_be_visible()
    assert (await draft(office))["role"] == "Sales"
    await page.get_by_role("button", name="Discard draft").click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("The draft is back.")).to_be_visible()
    assert (await draft(office))["role"] == "Sales"


async def test_all_of_it_works_without_scripts(office: Office, ana: Enrolled, page_as: PageAs) -> None:
    page = await page_as(ana)
    await page.route("**/*.js*", lambda route: route.abort())
    await page.goto(f"/t/{ana.slug}/employees/ada")
    await page.get_by_label("Role").fill("Sales")
    await page.get_by_role("button", name="Add rule").click()
    await page.get_by_label("Name of rule 1").fill("person")
    await page.get_by_role("button", name="Save draft", exact=True).last.click()
    await expect(page.get_by_label("Role")).to_have_value("Sales")
    content = await draft(office)
    assert (content["role"], content["escalation"][0]["name"]) == ("Sales", "person")
