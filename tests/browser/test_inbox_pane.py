"""The open conversation in a real browser: writing without losing a word, by keys alone, live, and on a telephone."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from playwright.async_api import Locator, Page, Route, ViewportSize, expect
from pydantic import SecretStr

from konstruct import connections, contacts
from konstruct.accounts.permissions import Role
from konstruct.desk import people
from konstruct.handoffs import entries, owning
from konstruct.handoffs.owning import Agent
from konstruct.identity import ConnectionId, new_id
from konstruct.inbox import Accepted
from konstruct.tables import Conversation, HandoffEntry
from konstruct.tables.base import utc_now
from konstruct.workbench import thread
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.handoffs import GRACE, a_wish, claim, hand_off, note, seat, write
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.showroom_pane import _pane

pytestmark = pytest.mark.stack

PHONE: ViewportSize = {"width": 390, "height": 844}


@dataclass
class Desk:
    """Ana, in the inbox of a conversation."""

    office: Office
    ana: Enrolled
    asked: Accepted
    page: Page

    @property
    def url(self) -> str:
        return f"/t/{self.ana.slug}/inbox/{self.asked.conversation_id}"

    async def open(self, more: str = "") -> Page:
        await self.page.goto(self.url + more)
        await expect(self.log).to_be_visible()
        return self.page

    @property
    def log(self) -> Locator:
        return self.page.locator("#conversation-log")

    @property
    def box(self) -> Locator:
        return self.page.locator("#reply-text")

    async def me(self) -> Agent:
        async with self.office.session() as session:
            return await owning.agent(session, people.member_key(self.ana.user_id))

    async def owned(self) -> UUID:
        """A conversation that waited, and that she took."""
        handoff_id = await hand_off(self.office, self.asked, a_wish("They asked for a person."))
        await claim(self.office, handoff_id, await self.me())
        return handoff_id

    async def said(self) -> list[str]:
        return [message.body or "" for message in await self.office.messages("outbound") if message.author == "agent"]

    async def long(self, count: int) -> None:
        """As if so much more had been said."""
        turns = [([f"Question {number}"], [f"Answer {number}"]) for number in range(1, count // 2 + 1)]
        await self.office.write(self.asked, *turns)


async def seated(office: Office, page_as: PageAs, role: Role = "agent") -> Desk:
    asked = await office.say("Where is my bicycle?")
    ana = await enrolled(office.database, office.vault, role, office.tenant_id, name="Ana Duarte")
    return Desk(office, ana, asked, await page_as(ana))


@pytest.fixture
async def desk(office: Office, page_as: PageAs) -> Desk:
    return await seated(office, page_as)


async def _lose(route: Route) -> None:
    """It gets there, and the answer is lost."""
    await route.fetch()
    await route.abort()


@pytest.mark.usefixtures("at_work")
class TestWriting:
    async def test_by_keys_alone_from_taking_over_to_resolving(self, desk: Desk) -> None:
        page = await desk.open()
        await expect(desk.box).to_have_count(0)
        await page.keyboard.press("c")
        await expect(desk.box).to_be_visible()
        await page.keyboard.press("r")
        await expect(desk.box).to_be_focused()
        await page.keyboard.type("Hello, Ana here.")
        await page.keyboard.press("Control+Enter")
        await expect(desk.log.get_by_text("Hello, Ana here.")).to_be_visible()
        await expect(desk.box).to_have_value("")
        await expect(desk.box).to_be_focused()
        await desk.box.blur()
        await page.keyboard.press("n")
        await expect(page.locator("#note-text")).to_be_focused()
        await page.keyboard.type("Was kind.")
        await page.keyboard.press("Control+Enter")
        await expect(desk.log.get_by_text("Was kind.")).to_be_visible()
        assert await desk.said() == ["Hello, Ana here."]
        await page.locator("#note-text").blur()
        await page.keyboard.press("e")
        dialog = page.get_by_role("dialog", name="Resolve this conversation")
        await expect(dialog).to_be_visible()
        await dialog.get_by_role("button", name="Resolve").click()
        await expect(page.get_by_text("Ada answers", exact=True)).to_be_visible()
        await expect(desk.box).to_have_count(0)

    async def test_what_is_written_stays_until_it_is_sent(self, desk: Desk) -> None:
        await desk.owned()
        page = await desk.open()
        await desk.box.fill("Half a thought")
        other = f"/t/{desk.ana.slug}/inbox"
        page.on("dialog", lambda dialog: dialog.accept())
        await page.goto(other)
        await desk.open()
        await expect(desk.box).to_have_value("Half a thought")
        await desk.box.press("End")
        await page.keyboard.type(", and the rest.")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(desk.box).to_have_value("")
        await desk.open()
        await expect(desk.box).to_have_value("")
        assert await desk.said() == ["Half a thought, and the rest."]

    async def test_pressed_twice_it_is_said_once(self, desk: Desk) -> None:
        await desk.owned()
        page = await desk.open()
        await desk.box.fill("Once.")
        await page.get_by_role("button", name="Send", exact=True).dblclick()
        await expect(desk.log.get_by_text("Once.")).to_be_visible()
        await expect(desk.box).to_have_value("")
        assert await desk.said() == ["Once."]

    async def test_where_the_portal_does_not_answer_nothing_is_lost_and_again_it_is_said_once(self, desk: Desk) -> None:
        await desk.owned()
        page = await desk.open()

        await page.route("**/reply", _lose)
        await desk.box.fill("Did you get this?")
        await desk.box.press("Control+Enter")
        await expect(page.get_by_text("The portal does not answer.").first).to_be_visible()
        await expect(desk.box).to_have_value("Did you get this?")
        await page.unroute_all(behavior="ignoreErrors")
        await desk.box.press("Control+Enter")
        await expect(desk.box).to_have_value("")
        assert await desk.said() == ["Did you get this?"]

    async def test_what_is_changed_after_a_lost_answer_is_not_taken_for_said(self, desk: Desk) -> None:
        await desk.owned()
        page = await desk.open()

        await page.route("**/reply", _lose)
        await desk.box.fill("On Monday.")
        await desk.box.press("Control+Enter")
        await expect(page.get_by_text("The portal does not answer.").first).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")
        # Also where the page was loaded anew meanwhile, it is known under which name it was sent.
        page.on("dialog", lambda dialog: dialog.accept())
        await desk.open()
        await expect(desk.box).to_have_value("On Monday.")
        await desk.box.fill("On Tuesday.")
        await desk.box.press("Control+Enter")
        await expect(page.get_by_text("This one was not").first).to_be_visible()
        await expect(desk.box).to_have_value("On Tuesday.")
        assert await desk.said() == ["On Monday."]
        await desk.box.press("Control+Enter")
        await expect(desk.box).to_have_value("")
        assert await desk.said() == ["On Monday.", "On Tuesday."]

    async def test_loaded_anew_after_a_lost_answer_it_is_said_once(self, desk: Desk) -> None:
        await desk.owned()
        page = await desk.open()

        await page.route("**/reply", _lose)
        await desk.box.fill("Once.")
        await desk.box.press("Control+Enter")
        await expect(page.get_by_text("The portal does not answer.").first).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")
        page.on("dialog", lambda dialog: dialog.accept())
        await desk.open()
        await expect(desk.box).to_have_value("Once.")
        await desk.box.press("Control+Enter")
        await expect(desk.box).to_have_value("")
        assert await desk.said() == ["Once."]

    async def test_taken_from_under_ones_hands_the_text_is_kept_and_it_says_who_has_it(
        self, desk: Desk, office: Office
    ) -> None:
        handoff_id = await desk.owned()
        page = await desk.open()
        await desk.box.fill("A long and careful answer")
        cleo = await enrolled(office.database, office.vault, "admin", office.tenant_id, name="Cleo Wirth")
        async with office.session() as session:
            agent = await owning.agent(session, people.member_key(cleo.user_id))
            await owning.claim(session, office.vault, handoff_id, agent, from_colleague=True)
        await desk.box.press("Control+Enter")
        await expect(desk.box).to_have_count(0)
        await expect(page.locator("#kept-text")).to_have_value("A long and careful answer")
        await expect(page.get_by_text("Cleo Wirth has this conversation.").first).to_be_visible()
        assert await desk.said() == []
        await check_page(page)
        await page.get_by_role("button", name="Discard it").click()
        await expect(page.locator("#kept-text")).to_be_hidden()

    async def test_a_draft_is_used_or_discarded(self, desk: Desk, office: Office) -> None:
        await desk.owned()
        page = await desk.open()
        await page.get_by_role("button", name="Draft").click()
        await expect(page.get_by_text("A draft is being written …")).to_be_visible()
        [entry] = [row for row in await office.rows(HandoffEntry) if row.kind == "draft"]
        async with office.session() as session:
            await entries.fill(session, office.vault, entry.id, "Dear friend,\nit is on its way.")
        await desk.open()
        await desk.box.fill("Hello!")
        await page.get_by_role("link", name="Use it").click()
        await expect(desk.box).to_have_value("Hello!\n\nDear friend,\nit is on its way.")
        await expect(page.get_by_text("by AI, not sent")).to_be_hidden()
        assert await desk.said() == []

    async def test_without_scripts_all_of_it_works(self, desk: Desk, page_as: PageAs) -> None:
        browser = desk.page.context.browser
        assert browser is not None
        await desk.page.goto("/")
        context = await browser.new_context(
            base_url=str(await desk.page.evaluate("location.origin")), java_script_enabled=False
        )
        await context.add_cookies([desk.ana.browser_cookie])
        page = await context.new_page()
        await page.goto(desk.url)
        await page.get_by_role("button", name="Take over").click()
        await page.locator("#reply-text").fill("By hand.\n// and a note")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#conversation-log").get_by_text("By hand.")).to_be_visible()
        await context.close()
        assert await desk.said() == ["By hand."]


class TestReading:
    async def test_earlier_messages_come_on_request_and_one_stays_where_one_reads(
        self, desk: Desk, office: Office
    ) -> None:
        await desk.long(120)
        page = await desk.open()
        lines = page.locator("#conversation-log .line")
        await expect(lines).to_have_count(thread.AT_ONCE)
        await expect(desk.log.get_by_text("Answer 60", exact=True)).to_be_in_viewport()
        first = page.locator("#conversation-log .line").first
        before = await first.get_attribute("id")
        await desk.log.evaluate("(log) => { log.scrollTop = 0; }")
        await page.get_by_role("link", name="Earlier messages").click()
        await expect(lines).to_have_count(2 * thread.AT_ONCE)
        await expect(page.locator(f"#{before}")).to_be_in_viewport()
        await office.say("And now?")
        await page.get_by_role("link", name="Earlier messages").click()
        await expect(lines).to_have_count(122)
        await expect(page.get_by_role("link", name="Earlier messages")).to_have_count(0)

    @pytest.mark.parametrize("wrong_by", [timedelta(hours=-1), timedelta(hours=1)])
    async def test_how_long_somebody_waits_is_told_by_the_servers_clock(self, desk: Desk, wrong_by: timedelta) -> None:
        await hand_off(desk.office, desk.asked)
        page = desk.page
        shift = int(wrong_by.total_seconds() * 1_000)
        await page.add_init_script(f"const right = Date.now; Date.now = () => right() + {shift};")
        await desk.open()
        await expect(page.locator(".inbox-rows time").first).to_have_text("now")
        await expect(page.locator("#inbox-conversation").get_by_text("waits since just now")).to_be_visible()

    async def test_what_came_since_one_looked_is_marked(self, desk: Desk, office: Office) -> None:
        page = await desk.open()
        await page.goto(f"/t/{desk.ana.slug}/inbox")
        await office.say("Hello? Anybody?")
        await desk.open()
        mark = page.get_by_text("New since you looked")
        await expect(mark).to_be_visible()
        assert await mark.evaluate("(mark) => mark.nextElementSibling.textContent.includes('Anybody')")

    async def test_what_strangers_write_is_text(self, desk: Desk, office: Office) -> None:
        hostile = "<img src=x onerror=alert(1)> javascript:alert(1) {{ 7*7 }} </textarea><script>alert(1)</script>"
        await office.say(hostile)
        page = await desk.open()
        await expect(desk.log.get_by_text(hostile)).to_be_visible()
        await check_page(page)

    async def test_of_who_was_erased_it_says_so_and_offers_nothing(self, desk: Desk, office: Office) -> None:
        await desk.owned()
        async with office.session() as session:
            conversation = await session.get_one(Conversation, (office.tenant_id, desk.asked.conversation_id))
            await contacts.erase(session, office.tenant_id, conversation.contact_id, actor="test")
        page = await desk.open()
        await expect(page.get_by_text("The contact was erased.").first).to_be_visible()
        await expect(desk.box).to_have_count(0)
        await expect(page.get_by_role("button", name="Take over")).to_have_count(0)
        await check_page(page)


class TestWhatItLooksLike:
    async def test_everything_at_once(self, office: Office, page_as: PageAs) -> None:
        """Every kind of line and state, in light and dark, at a desk and on a telephone."""
        desk = await seated(office, page_as, "owner")
        whatsapp = await connected(office)
        conversation_id = await _pane(office, desk.ana, whatsapp)
        page = desk.page
        await page.goto(f"/t/{desk.ana.slug}/inbox/{conversation_id}")
        for text in (
            "Read",
            "Delivered",
            "Sent",
            "Not delivered",
            "Perhaps sent",
            "Queued",
            "You have it",
            "Suggested reply",
        ):
            await expect(
                page.get_by_text(text, exact=text not in ("Not delivered", "Perhaps sent")).first
            ).to_be_attached()
        await check_page(page)
        await page.set_viewport_size(PHONE)
        await check_page(page)

    @pytest.mark.parametrize("said", [timedelta(hours=22), timedelta(hours=30)])
    async def test_until_when_whatsapp_takes_answers(self, office: Office, page_as: PageAs, said: timedelta) -> None:
        desk = await seated(office, page_as)
        there = replace(office, connection_id=ConnectionId(await connected(office)))
        desk.asked = await there.say("Hello", channel="49", root="49", contact="49")
        await desk.owned()
        async with office.session() as session:
            row = await session.get_one(Conversation, (office.tenant_id, desk.asked.conversation_id))
            row.contact_said_at = utc_now() - said
        page = await desk.open()
        if said < timedelta(hours=24):
            await expect(page.get_by_text("WhatsApp takes answers until")).to_be_visible()
            await expect(page.get_by_text("in 2 hours")).to_be_visible()
        else:
            await expect(page.get_by_text("Nothing can be sent until they write again.")).to_be_visible()
            await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
        await check_page(page)

    async def test_a_colleagues_conversation_that_a_manager_may_take(self, office: Office, page_as: PageAs) -> None:
        desk = await seated(office, page_as, "admin")
        await seat(office, channel=None)
        handoff_id = await hand_off(office, desk.asked)
        await claim(office, handoff_id, GRACE)
        await write(office, handoff_id, "Grace here.")
        await note(office, handoff_id, "A regular.")
        page = await desk.open()
        await expect(page.locator(".composer-take")).to_contain_text(f"{GRACE.name} has this conversation.")
        await check_page(page)
        await page.get_by_role("button", name="Take over").click()
        await expect(page.get_by_role("dialog", name=f"Take over from {GRACE.name}?")).to_be_visible()
        await check_page(page)


async def connected(office: Office) -> ConnectionId:
    """A number of WhatsApp."""
    async with office.session() as session:
        return await connections.install(
            *(session, office.vault, office.tenant_id),
            key="whatsapp",
            kind="whatsapp",
            account=new_id().hex[-12:],
            external={"phone_number_id": "1", "waba_id": "2", "display_phone_number": "+351 21 555 0142"},
            secrets={"access_token": SecretStr("EAAG")},
            employee_key="ada",
            actor="test",
        )
