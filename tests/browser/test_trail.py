"""Contacts and the trail in a browser: somebody is merged, erased with progress; a chain is checked as one looks on."""

import pytest
from playwright.async_api import expect

from konstruct.audit import exporting
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.asked import check_what_waits, erase_what_waits
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.showroom_trail import learnt, met
from tests.support.trail import Trail

pytestmark = pytest.mark.stack


@pytest.fixture
async def owner(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, tenant=office.tenant_id)


async def test_two_contacts_are_merged_and_it_is_undone(page_as: PageAs, office: Office, owner: Enrolled) -> None:
    lea = await met(office, "U0LEA", "Lea Moreau")
    phone = await met(office, "U0PHONE", "Lea M.")
    await learnt(office, phone, [("Rides a Brompton.", 0.9)])
    page = await page_as(owner)

    await page.goto(f"/t/{owner.slug}/contacts")
    await page.get_by_role("searchbox", name="Search").fill("moreau")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Lea Moreau").click()
    await page.get_by_role("link", name="Merge").click()
    await page.get_by_role("searchbox", name="Search").fill("lea")
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.get_by_role("link", name="Lea M.").click()
    await check_page(page)
    await page.get_by_role("button", name="They are one person").click()

    await expect(page.get_by_text("Rides a Brompton.").first).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("No facts are remembered of Lea Moreau.")).to_be_visible()
    assert page.url.endswith(str(lea))


async def test_a_fact_is_forgotten_after_a_question(page_as: PageAs, office: Office, owner: Enrolled) -> None:
    lea = await met(office, "U0LEA", "Lea")
    await learnt(office, lea, [("Rides a Brompton.", 0.9)])
    page = await page_as(owner)

    await page.goto(f"/t/{owner.slug}/contacts/{lea}")
    await page.get_by_role("button", name="Forget: Rides a Brompton.").click()
    await check_page(page)
    await page.get_by_role("dialog").get_by_role("button", name="Forget").click()

    await expect(page.get_by_text("Forgotten: what was learned from 2 messages.")).to_be_visible()
    await expect(page.get_by_text("No facts are remembered of Lea.")).to_be_visible()


async def test_somebody_is_erased_and_the_page_follows_it(page_as: PageAs, office: Office, owner: Enrolled) -> None:
    lea = await met(office, "U0LEA", "Lea")
    page = await page_as(owner)

    await page.goto(f"/t/{owner.slug}/contacts/{lea}")
    await page.get_by_role("link", name="Erase…").click()
    erase = page.get_by_role("button", name="Erase this person")
    await expect(erase).to_be_disabled()
    await page.get_by_label("Type U0LEA to go on").fill("U0LEA")
    await erase.click()
    await expect(page.get_by_text("This contact is being erased")).to_be_visible()
    await check_page(page)
    await erase_what_waits(office)

    await expect(page.get_by_text("This contact was erased")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Erased contact")
    await check_page(page)


async def test_a_changed_chain_turns_up_while_one_looks_on(
    page_as: PageAs, office: Office, owner: Enrolled, trail: Trail
) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 3)
    await trail.seal()
    page = await page_as(owner)

    await page.goto(f"/t/{owner.slug}/audit")
    await page.get_by_role("link", name="Check the chain").click()
    await page.get_by_role("button", name="Check the trail").click()
    await expect(page.get_by_text("The trail is being checked")).to_be_visible()
    await check_page(page)
    await check_what_waits(office, trail.anchor_file)
    await expect(page.get_by_text("The trail is whole")).to_be_visible()
    async with trail.tampering() as administrator:
        await administrator.execute(
            "update audit_events set actor = 'nobody' where tenant_id = $1 and chain_id = $2 and seq = 2",
            *(office.tenant_id, asked.conversation_id),
        )

    await page.get_by_role("button", name="Check the trail").click()
    await expect(page.get_by_text("The trail is being checked")).to_be_visible()
    await check_what_waits(office, trail.anchor_file)
    await expect(page.get_by_text("The trail is not whole")).to_be_visible()
    await check_page(page)
    await page.locator("#checked dl a").click()
    await expect(page.get_by_text("message.sent").first).to_be_visible()


async def test_events_are_narrowed_and_saved_as_a_file(
    page_as: PageAs, office: Office, owner: Enrolled, trail: Trail
) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 4)
    page = await page_as(owner)

    await page.goto(f"/t/{owner.slug}/audit")
    await page.get_by_label("What").select_option("Messages")
    await page.get_by_role("button", name="Apply").click()
    await expect(page.get_by_role("list", name="Events").get_by_role("listitem")).to_have_count(4)
    assert "group=message." in page.url
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Export").click()

    saved = await (await saving.value).path()
    with saved.open(encoding="utf-8", newline="\n") as lines:
        checked = exporting.check(lines)
    assert (checked.broken, checked.events) == (None, 4)
