"""What agents do with the open conversation, as pages: who may, who was earlier, and that nothing typed is lost."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from konstruct.accounts.permissions import Role
from konstruct.handoffs import entries, owning
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.settings import Settings
from konstruct.tables import Handoff, HandoffEntry
from tests.portal.conftest import browser
from tests.portal.visiting import Visitor, has_reply_box, toast
from tests.support.handoffs import GRACE, LINUS, claim, conversation, hand_off, handoff_row, seat
from tests.support.members import enrolled
from tests.support.office import Office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("Where is my bicycle?")


async def visiting(
    settings: Settings, office: Office, asked: Accepted, role: Role, name: str
) -> AsyncIterator[Visitor]:
    who = await enrolled(office.database, office.vault, role, office.tenant_id, name=name)
    async with browser(settings) as client:
        client.cookies.update(who.cookies)
        yield Visitor(client, who, asked.conversation_id)


@pytest.fixture
async def ana(settings: Settings, office: Office, asked: Accepted) -> AsyncIterator[Visitor]:
    async for visitor in visiting(settings, office, asked, "agent", "Ana Duarte"):
        yield visitor


@pytest.fixture
async def ben(settings: Settings, office: Office, asked: Accepted) -> AsyncIterator[Visitor]:
    async for visitor in visiting(settings, office, asked, "agent", "Ben Okoro"):
        yield visitor


@pytest.fixture
async def boss(settings: Settings, office: Office, asked: Accepted) -> AsyncIterator[Visitor]:
    async for visitor in visiting(settings, office, asked, "admin", "Cleo Wirth"):
        yield visitor


@pytest.fixture
async def viewer(settings: Settings, office: Office, asked: Accepted) -> AsyncIterator[Visitor]:
    async for visitor in visiting(settings, office, asked, "viewer", "Vera Lind"):
        yield visitor


async def said(office: Office) -> list[str]:
    return [message.body or "" for message in await office.messages("outbound") if message.author == "agent"]


async def owned_by(office: Office, asked: Accepted, visitor: Visitor) -> UUID:
    """A conversation that waited, and that they took."""
    handoff_id = await hand_off(office, asked)
    async with office.session() as session:
        agent = await owning.agent(session, visitor.key)
    await claim(office, handoff_id, agent)
    return handoff_id


@pytest.mark.usefixtures("at_work")
class TestTakingOver:
    async def test_what_nobody_offered_and_then_it_can_be_answered(
        self, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        page = await ana.look()
        assert ("Ada answers here" in page, has_reply_box(page)) == (True, False)
        await ana.took("take-over")
        row = await conversation(office, asked)
        assert (row.owner, row.agent) == ("agent", ana.key)
        page = await ana.look()
        assert ("You have it" in page, has_reply_box(page)) == (True, True)
        assert "Ana Duarte took it over" in page

    async def test_of_two_at_once_one_gets_it_and_the_other_reads_who(
        self, ana: Visitor, ben: Visitor, office: Office, asked: Accepted
    ) -> None:
        await hand_off(office, asked)
        answers = await asyncio.gather(ana.act("take-over"), ben.act("take-over"))
        assert sorted(each.status_code for each in answers) == [303, 409]
        winner, loser = (ana, ben) if answers[0].status_code == 303 else (ben, ana)
        [lost] = [each for each in answers if each.status_code == 409]
        assert f"{winner.who.name} has it already." in lost.text
        assert not has_reply_box(lost.text)
        assert (await conversation(office, asked)).agent == winner.key
        again = await loser.act("take-over", is_script=True)
        assert (again.status_code, toast(again)) == (409, f"{winner.who.name} has it already.")

    async def test_from_a_colleague_only_who_manages_the_inbox(
        self, ana: Visitor, ben: Visitor, boss: Visitor, office: Office, asked: Accepted
    ) -> None:
        await owned_by(office, asked, ana)
        assert 'id="act-take"' not in await ben.look()
        assert (await ben.act("take-over", from_colleague="true")).status_code == 403
        page = await boss.look()
        assert "Take over from Ana Duarte?" in page
        assert (await boss.act("take-over")).status_code == 409
        await boss.took("take-over", from_colleague="true")
        assert (await conversation(office, asked)).agent == boss.key
        assert "Cleo Wirth took it over from Ana Duarte" in await ana.look()

    async def test_what_somebody_left_behind_anybody_takes(self, ana: Visitor, office: Office, asked: Accepted) -> None:
        await seat(office, channel=None)
        handoff_id = await hand_off(office, asked)
        await claim(office, handoff_id, GRACE)
        await seat(office, channel=None, people={"linus": {"name": LINUS.name}})
        page = await ana.look()
        assert ("at the desk no more" in page, has_reply_box(page)) == (True, False)
        await ana.took("take-over")
        assert (await conversation(office, asked)).agent == ana.key

    async def test_a_conversation_that_is_not_there_is_no_page(self, ana: Visitor) -> None:
        ana.base = ana.base.rsplit("/", 1)[0] + f"/{new_id()}"
        for answer in (await ana.act("take-over"), await ana.client.get(ana.base)):
            assert answer.status_code == 404


@pytest.mark.usefixtures("at_work")
class TestActs:
    async def test_released_it_waits_again(self, ana: Visitor, office: Office, asked: Accepted) -> None:
        handoff = await owned_by(office, asked, ana)
        await ana.took("release", handoff=handoff)
        assert (await handoff_row(office, handoff)).state == "waiting"
        assert "Needs a person" in await ana.look()

    async def test_it_is_given_to_a_member_and_to_a_group(
        self, ana: Visitor, ben: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff = await owned_by(office, asked, ana)
        page = await ana.look()
        # Once among what the list is narrowed to; and, of who is not oneself, among whom it can be given.
        assert page.count(f'value="{ben.key}"') == 2
        assert page.count(f'value="{ana.key}"') == 1
        await ana.took("transfer", handoff=handoff, to=ben.key)
        assert (await conversation(office, asked)).agent == ben.key
        assert "Ana Duarte gave it to Ben Okoro" in await ben.look()
        await seat(office, channel=None, groups={"workshop": {"people": ["linus"]}})
        await ben.took("transfer", handoff=handoff, to="workshop")
        row = await handoff_row(office, handoff)
        assert (row.state, row.target) == ("waiting", "workshop")
        assert "Ben Okoro gave it to the group workshop" in await ana.look()

    async def test_to_nobody_it_is_not_given(self, ana: Visitor, office: Office, asked: Accepted) -> None:
        handoff = await owned_by(office, asked, ana)
        assert (await ana.act("transfer", handoff=handoff)).status_code == 422
        assert (await ana.act("transfer", handoff=handoff, to="user:nobody")).status_code == 403
        assert (await conversation(office, asked)).agent == ana.key

    async def test_resolved_with_a_note_the_employee_has_it_and_knows(
        self, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff = await owned_by(office, asked, ana)
        await ana.took("resolve", handoff=handoff, note="The chain is on its way.", message=new_id())
        assert (await conversation(office, asked)).owner == "employee"
        told = [message.body or "" for message in await office.messages("inbound") if message.author == "system"]
        assert "The chain is on its way." in told[-1]
        assert "Ana Duarte resolved it" in await ana.look()

    async def test_handed_back_at_once_the_employee_is_to_write(
        self, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff = await owned_by(office, asked, ana)
        await ana.took("hand-back", handoff=handoff, note="Settled.", at_once="true", message=new_id())
        told = [message for message in await office.messages("inbound") if message.author == "system"]
        assert ("Settled." in (told[-1].body or ""), told[-1].state) == (True, "received")

    async def test_a_form_of_an_earlier_time_with_people_does_nothing_now(
        self, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        former = await owned_by(office, asked, ana)
        await ana.took("resolve", handoff=former)
        await ana.took("take-over")
        for what in ("release", "hand-back"):
            answer = await ana.act(what, handoff=former)
            assert (answer.status_code, "over" in answer.text) == (409, True)
        assert (await conversation(office, asked)).agent == ana.key

    @pytest.mark.parametrize("what", ["release", "transfer", "resolve", "hand-back", "reply", "note", "ask"])
    async def test_a_handoff_of_another_conversation_is_none_of_this_one(
        self, ana: Visitor, office: Office, asked: Accepted, what: str
    ) -> None:
        other = await hand_off(office, await office.say("Another", root="9.0"))
        answer = await ana.act(what, handoff=other, to=GRACE.key, text="Hello", note="Hello", kind="draft")
        assert answer.status_code == 404
        assert (await handoff_row(office, other)).state == "waiting"
        assert await office.rows(HandoffEntry) == []


@pytest.mark.usefixtures("at_work")
class TestWriting:
    async def test_a_reply_goes_out_once_however_often_it_is_sent(
        self, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff, message = await owned_by(office, asked, ana), new_id()
        fields = {"handoff": handoff, "text": "Hello, Ana here.\n// a bit odd", "message": message}
        answers = await asyncio.gather(*(ana.act("reply", is_script=True, **fields) for _ in range(3)))
        assert [each.status_code for each in answers] == [200] * 3
        assert await said(office) == ["Hello, Ana here."]
        [entry] = [row for row in await office.rows(HandoffEntry) if row.kind == "reply"]
        assert (entry.source, entry.external_id) == ("portal", f"{ana.who.user_id}:{message}")
        page = await ana.look()
        assert ("Hello, Ana here." in page, "// a bit odd" in page, "Queued" in page) == (True, True, True)

    async def test_what_was_changed_after_a_lost_answer_is_refused_and_goes_out_by_the_next_form(
        self, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff, message = await owned_by(office, asked, ana), new_id()
        await ana.took("reply", handoff=handoff, text="On Monday.", message=message)
        text = "On Tuesday."
        answer = await ana.act("reply", is_script=True, handoff=handoff, text=text, message=message)
        assert (answer.status_code, "This one was not" in toast(answer)) == (409, True)
        page = await ana.act("reply", handoff=handoff, text=text, message=message)
        assert (page.status_code, "This one was not" in page.text, text in page.text) == (409, True, True)
        assert await said(office) == ["On Monday."]
        [form] = re.findall(r'<form[^>]*action="[^"]*/reply".*?</form>', page.text, re.DOTALL)
        [fresh] = re.findall(r'name="message" value="([^"]+)"', form)
        await ana.took("reply", handoff=handoff, text=text, message=fresh)
        assert await said(office) == ["On Monday.", text]

    async def test_each_form_of_a_page_counts_by_itself(self, ana: Visitor, office: Office, asked: Accepted) -> None:
        await owned_by(office, asked, ana)
        named = re.findall(r'name="message" value="([^"]+)"', await ana.look())
        assert len(named) > 4
        assert len(set(named)) == len(named)

    async def test_two_people_who_send_under_one_name_both_say_it(
        self, ana: Visitor, ben: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff, message = await owned_by(office, asked, ana), new_id()
        await ana.took("note", handoff=handoff, text="Of Ana", message=message)
        await ben.took("note", handoff=handoff, text="Of Ben", message=message)
        assert len(await office.rows(HandoffEntry)) == 2

    async def test_who_does_not_have_it_says_nothing_whatever_they_send_by_hand(
        self, ana: Visitor, ben: Visitor, boss: Visitor, office: Office, asked: Accepted
    ) -> None:
        """And what they wrote stands on the page that says so."""
        waiting = await hand_off(office, asked)
        for visitor in (ben, boss):
            answer = await visitor.act("reply", handoff=waiting, text="Not yet mine", message=new_id())
            assert (answer.status_code, "Nobody has the conversation" in answer.text) == (409, True)
        async with office.session() as session:
            await owning.claim(session, office.vault, waiting, await owning.agent(session, ana.key))
        for visitor in (ben, boss):
            assert not has_reply_box(await visitor.look())
            answer = await visitor.act("reply", handoff=waiting, text="I know <b>better</b>", message=new_id())
            assert answer.status_code == 409
            assert "Ana Duarte has the conversation: only what they write goes out." in html.unescape(answer.text)
            assert "I know &lt;b&gt;better&lt;/b&gt;" in answer.text
            assert not has_reply_box(answer.text)
            script = await visitor.act("reply", is_script=True, handoff=waiting, text="Again", message=new_id())
            assert (script.status_code, "Ana Duarte has the conversation" in toast(script)) == (409, True)
        assert await said(office) == []

    async def test_ownership_that_was_lost_meanwhile_loses_no_word(
        self, ana: Visitor, boss: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff = await owned_by(office, asked, ana)
        await boss.took("take-over", from_colleague="true")
        answer = await ana.act("reply", handoff=handoff, text="A long reply", message=new_id())
        assert (answer.status_code, "A long reply" in answer.text) == (409, True)
        assert "Cleo Wirth has the conversation" in answer.text
        await boss.took("hand-back", handoff=handoff)
        answer = await ana.act("reply", handoff=handoff, text="A long reply", message=new_id())
        assert (answer.status_code, "This is over" in answer.text, "A long reply" in answer.text) == (409, True, True)
        assert await said(office) == []

    async def test_a_note_is_kept_by_whoever_is_at_the_desk_and_goes_to_nobody(
        self, ana: Visitor, ben: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff = await owned_by(office, asked, ana)
        await ben.took("note", handoff=handoff, text="They called yesterday.", message=new_id())
        assert await said(office) == []
        assert "They called yesterday." in await ana.look()

    @pytest.mark.parametrize("text", ["", "  \n "])
    async def test_nothing_is_nothing_to_say(self, ana: Visitor, office: Office, asked: Accepted, text: str) -> None:
        handoff = await owned_by(office, asked, ana)
        answer = await ana.act("reply", handoff=handoff, text=text, message=new_id())
        assert (answer.status_code, "nothing to say" in answer.text) == (422, True)

    async def test_a_draft_is_asked_for_and_used(self, ana: Visitor, office: Office, asked: Accepted) -> None:
        handoff = await owned_by(office, asked, ana)
        await ana.took("ask", handoff=handoff, kind="draft", message=new_id())
        assert "A draft is being written" in await ana.look()
        [entry] = await office.rows(HandoffEntry)
        async with office.session() as session:
            await entries.fill(session, office.vault, entry.id, "Dear friend, <it> is on its way.")
        page = await ana.look()
        assert "Dear friend, &lt;it&gt; is on its way." in page
        assert re.search(r'id="reply-text"[^>]*>\s*</textarea>', page)
        page = await ana.look(use=str(entry.id))
        assert re.search(r'id="reply-text"[^>]*>\s*Dear friend, &lt;it&gt; is on its way.</textarea>', page)
        assert await said(office) == []

    async def test_a_draft_that_could_not_be_written_says_so(
        self, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff = await owned_by(office, asked, ana)
        await ana.took("ask", handoff=handoff, kind="draft", message=new_id())
        [entry] = await office.rows(HandoffEntry)
        async with office.session() as session:
            await entries.fill(session, office.vault, entry.id, None)
        assert "No model could write a draft just now" in await ana.look()


@pytest.mark.usefixtures("at_work")
class TestWhoMay:
    async def test_a_viewer_reads_along_and_is_offered_nothing(
        self, viewer: Visitor, ana: Visitor, office: Office, asked: Accepted
    ) -> None:
        handoff = await owned_by(office, asked, ana)
        page = await viewer.look()
        assert "Where is my bicycle?" in page
        assert 'method="post" action="/t/' + viewer.who.slug + "/inbox" not in page
        for what in ("take-over", "release", "transfer", "resolve", "hand-back", "reply", "note", "ask"):
            answer = await viewer.act(what, handoff=handoff, text="Hello", to=ana.key, kind="draft")
            assert answer.status_code == 403, what
        assert [row.agent for row in await office.rows(Handoff)] == [ana.key]
        assert await office.rows(HandoffEntry) == []


class TestWhereTemporalIsAway:
    async def test_it_is_said_that_nobody_knows_and_nothing_that_was_typed_is_lost(
        self, settings: Settings, office: Office, asked: Accepted
    ) -> None:
        who = await enrolled(office.database, office.vault, "agent", office.tenant_id, name="Ana Duarte")
        lost = settings.model_copy(update={"temporal_address": "127.0.0.1:9"})
        async with browser(lost) as client:
            client.cookies.update(who.cookies)
            visitor = Visitor(client, who, asked.conversation_id)
            answer = await visitor.act("take-over", is_script=True)
            assert (answer.status_code, "not known whether it was done" in toast(answer)) == (503, True)
            page = await visitor.act("take-over")
            assert (page.status_code, "not known whether it was done" in page.text) == (503, True)
        assert (await conversation(office, asked)).owner == "employee"

    async def test_a_reply_is_kept_all_the_same(self, settings: Settings, office: Office, asked: Accepted) -> None:
        who = await enrolled(office.database, office.vault, "agent", office.tenant_id, name="Ana Duarte")
        lost = settings.model_copy(update={"temporal_address": "127.0.0.1:9"})
        async with browser(lost) as client:
            client.cookies.update(who.cookies)
            visitor = Visitor(client, who, asked.conversation_id)
            handoff = await owned_by(office, asked, visitor)
            await visitor.took("reply", handoff=handoff, text="Hello.", message=new_id())
        assert await said(office) == ["Hello."]
