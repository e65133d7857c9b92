from datetime import timedelta
import pytest
from konstruct.tables.base import utc_now
from tests.browser.checking import check_page, TELEPHONE, DESK
from tests.support.billed import bill
from tests.support.members import enrolled
from tests.support.office import open_office
pytestmark = pytest.mark.stack

CASES = {
 "trial": dict(plan="pro", status="trialing", trial_ends_at=utc_now()+timedelta(days=11), billed_every="month", detail={"card_brand":"visa","card_last4":"4242"}),
 "pastdue": dict(plan="starter", status="past_due", past_due_since=utc_now()-timedelta(days=1), billed_every="year"),
 "restricted": dict(plan="starter", status="unpaid", billed_every="month"),
 "ending": dict(plan="pro", ends_at=utc_now()+timedelta(days=9), billed_every="month", period_end=utc_now()+timedelta(days=9)),
 "free": dict(plan="free"),
}
@pytest.mark.parametrize("case", CASES)
async def test_look(page_as, database, vault, case):
    office = await open_office(database, vault)
    owner = await enrolled(database, vault, "owner", office.tenant_id)
    await bill(database, office.tenant_id, **CASES[case])
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/billing")
    await page.screenshot(path=f"/tmp/look_billing/{case}.png", full_page=True)
    if case in ("trial", "free"):
        await check_page(page)
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=f"/tmp/look_billing/{case}-dark.png", full_page=True)
        await page.set_viewport_size(TELEPHONE)
        await page.emulate_media(color_scheme="light")
        await page.screenshot(path=f"/tmp/look_billing/{case}-phone.png", full_page=True)
        await page.goto(f"/t/{owner.slug}/inbox")
        await page.screenshot(path=f"/tmp/look_billing/{case}-inbox-phone.png")
        await page.set_viewport_size(DESK)
        await page.screenshot(path=f"/tmp/look_billing/{case}-inbox.png")
