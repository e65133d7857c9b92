"""Contacts in the portal: found, looked at, forgotten, merged, erased and handed out."""

import asyncio
import json
import re
from collections.abc import Sequence
from uuid import UUID

import httpx
import pytest
from sqlmodel import col, select

from konstruct import contact_book, contacts, erasing
from konstruct.accounts.permissions import Role
from konstruct.designs import drafting
from konstruct.errors import Unavailable
from konstruct.rehearsals import rooms
from konstruct.tables import Contact, ContactErasure, ContactKey, Memory
from tests.support.asked import erase_what_waits
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.showroom_trail import learnt, met


@pytest.fixture
async def owner(office: Office, portal: httpx.AsyncClient) -> Enrolled:
    return await come(office, portal, "owner")


async def come(office: Office, portal: httpx.AsyncClient, role: Role) -> Enrolled:
    person = await enrolled(office.database, office.vault, role, office.tenant_id)
    portal.cookies.update(person.cookies)
    return person


def at(person: Enrolled, path: str = "") -> str:
    return f"/t/{person.slug}/contacts{path}"


def listed(answer: httpx.Response) -> list[str]:
    return re.findall(r'<strong class="truncate">(.+?)</strong>', answer.text)


async def details(office: Office, action: str) -> Sequence[dict[str, object]]:
    return [event.detail for event in await office.events(action)]


async def test_where_nobody_has_written_there_is_one_thing_to_do(portal: httpx.AsyncClient, owner: Enrolled) -> None:
    page = await portal.get(at(owner))

    assert "Nobody has written yet" in page.text
    assert "Connect a channel" in page.text


async def test_contacts_are_found_by_name_number_and_id_and_by_nothing_else(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea = await met(office, "U0LEA", "Lea Moreau")
    await met(office, "U0TOM", "Tom Okafor")

    assert listed(await portal.get(at(owner))) == ["Tom Okafor", "Lea Moreau"]
    for words in ("lea", "Mor", "moreau lea", "u0lea", "U0L", str(lea)):
        assert listed(await portal.get(at(owner), params={"q": words})) == ["Lea Moreau"], words
    for words in ("ea", "zoe", "%", "U0%", "lea okafor", "\U0010fffd"):
        page = await portal.get(at(owner), params={"q": words})
        assert listed(page) == [], words
        assert "Nobody is found" in page.text


async def test_filters_hold_for_channel_and_state(portal: httpx.AsyncClient, owner: Enrolled, office: Office) -> None:
    tom = await met(office, "U0TOM", "Tom Okafor")
    await met(office, "U0LEA", "Lea Moreau")
    await portal.post(at(owner, f"/{tom}/consent"), data={"wish": "out", "reason": "By phone."})

    assert listed(await portal.get(at(owner), params={"state": "opted_out"})) == ["Tom Okafor"]
    assert listed(await portal.get(at(owner), params={"state": "erased"})) == []
    here = {"channel": str(office.connection_id)}
    assert listed(await portal.get(at(owner), params=here)) == ["Lea Moreau", "Tom Okafor"]


async def test_pages_hold_each_contact_once_and_lead_back(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await met(office, f"U{number}", f"Person {number}")
    monkeypatch.setattr("portal.pages.contacts.listing.AT_ONCE", 2)

    seen, url, urls = [], at(owner), list[str]()
    while url:
        page = await portal.get(url)
        seen += listed(page)
        urls.append(url)
        older = re.search(r'rel="next" href="(.+?)"', page.text)
        url = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"Person {number}" for number in (4, 3, 2, 1, 0)]
    newer = re.search(r'rel="prev" href="(.+?)"', page.text)
    assert newer
    assert listed(await portal.get(newer[1].replace("&amp;", "&"))) == ["Person 2", "Person 1"]


async def test_somebody_in_a_rehearsal_is_no_contact(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    async with office.session() as session:
        made = await drafting.create(session, office.tenant_id, {"name": "Otis"}, actor="test")
        await rooms.start(session, await drafting.read(session, made.key), user_id=owner.user_id)

    assert "Nobody has written yet" in (await portal.get(at(owner))).text
    async with office.session() as session:
        [contact_id] = await session.scalars(select(col(Contact.id)))
    assert (await portal.get(at(owner, f"/{contact_id}"))).status_code == 404


async def test_a_contact_is_shown_with_what_is_remembered(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea = await met(office, "U0LEA", "Lea <b>Moreau")
    await learnt(office, lea, [("Rides a <i>Brompton</i>.", 0.96)])

    page = await portal.get(at(owner, f"/{lea}"))

    assert "Lea &lt;b&gt;Moreau" in page.text
    assert "Rides a &lt;i&gt;Brompton&lt;/i&gt;." in page.text
    assert "96% sure" in page.text
    assert "2 sayings can be recalled" in page.text
    async with office.session() as session:
        found = (await contact_book.read(session, office.vault, lea)).conversations
    assert f"/conversations/{found[0].conversation_id}" in page.text


async def test_a_fact_is_forgotten_and_the_others_stay(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea = await met(office, "U0LEA", "Lea")
    [first] = await learnt(office, lea, [("Rides a Brompton.", 0.9)])
    await met(office, "U0LEA", "Lea")
    tom = await met(office, "U0TOM", "Tom")
    [of_tom] = await learnt(office, tom, [("Is left-handed.", 0.9)])

    answer = await portal.post(at(owner, f"/{lea}/forget"), data={"fact": str(first)})
    assert answer.status_code == 303
    # Somebody else's cannot be forgotten by way of Lea.
    await portal.post(at(owner, f"/{lea}/forget"), data={"fact": str(of_tom)})

    assert "Rides a Brompton" not in (await portal.get(at(owner, f"/{lea}"))).text
    assert "Is left-handed" in (await portal.get(at(owner, f"/{tom}"))).text
    assert len((await details(office, "contact.forgotten"))[0]["messages"]) == 2  # type: ignore[arg-type]


async def test_everything_is_forgotten(portal: httpx.AsyncClient, owner: Enrolled, office: Office) -> None:
    lea = await met(office, "U0LEA", "Lea")
    await learnt(office, lea, [("Rides a Brompton.", 0.9)])

    await portal.post(at(owner, f"/{lea}/forget"))

    assert await office.rows(Memory) == []
    assert "No facts are remembered" in (await portal.get(at(owner, f"/{lea}"))).text


async def test_a_wish_needs_a_reason_which_is_sealed(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    tom = await met(office, "U0TOM", "Tom")

    refused = await portal.post(at(owner, f"/{tom}/consent"), data={"wish": "out", "reason": "  "})
    assert refused.status_code == 422
    assert "how you know" in refused.text
    await portal.post(at(owner, f"/{tom}/consent"), data={"wish": "out", "reason": "Canary on the phone."})

    page = await portal.get(at(owner, f"/{tom}"))
    assert "Opted out" in page.text
    [event] = await office.events("contact.opted_out")
    assert event.actor == owner.actor
    assert "Canary" not in str(event.detail)
    shown = await portal.get(f"/t/{owner.slug}/audit/events/{event.id}")
    assert "Canary on the phone." in shown.text
    await portal.post(at(owner, f"/{tom}/consent"), data={"wish": "in", "reason": "Wrote a letter."})
    assert "Opted out" not in (await portal.get(at(owner, f"/{tom}"))).text


async def test_two_contacts_are_said_to_be_one_person_and_two_again(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea, phone, tom = [await met(office, f"U{name}", name) for name in ("Lea", "Lea-Phone", "Tom")]
    await learnt(office, phone, [("Rides a Brompton.", 0.9)])

    found = await portal.get(at(owner, f"/{lea}/merge"), params={"q": "lea"})
    assert listed(found) == ["Lea-Phone"]
    both = await portal.get(at(owner, f"/{lea}/merge/{phone}"))
    assert "Rides a Brompton." in both.text
    joined = await portal.post(at(owner, f"/{lea}/merge/{phone}"))
    assert joined.status_code == 303
    assert "Rides a Brompton." in (await portal.get(at(owner, f"/{lea}"))).text
    await portal.post(at(owner, f"/{lea}/merge/{tom}"))

    # The one by whose id all of them go, and then the one that is left with another.
    await portal.post(at(owner, f"/{lea}/separate"), data={"contact": str(lea)})

    async with office.session() as session:
        people = {row.id: row.person_id for row in await session.scalars(select(Contact))}
    assert people[lea] == lea
    assert people[phone] == people[tom] == min(phone, tom)
    assert "Rides a Brompton." not in (await portal.get(at(owner, f"/{lea}"))).text
    assert len(await office.events("contact.separated")) == 1
    await portal.post(at(owner, f"/{lea}/separate"), data={"contact": str(lea)})
    assert len(await office.events("contact.separated")) == 1


async def test_a_person_is_erased_once_the_id_is_typed(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea = await met(office, "U0LEA", "Lea Moreau")
    await learnt(office, lea, [("Rides a Brompton.", 0.9)])

    question = await portal.get(at(owner, f"/{lea}/erase"))
    assert "in 2 messages by or to them" in re.sub(r"\s+", " ", question.text)
    refused = await portal.post(at(owner, f"/{lea}/erase"), data={"confirmation": "Lea"})
    assert refused.status_code == 422
    assert await office.rows(ContactErasure) == []

    assert (await portal.post(at(owner, f"/{lea}/erase"), data={"confirmation": "U0LEA"})).status_code == 303
    waiting = await portal.get(at(owner, f"/{lea}"))
    assert "is being erased" in waiting.text
    assert "not finished yet" in (await portal.get(at(owner))).text
    # Asked once more, it is the same one.
    await portal.post(at(owner, f"/{lea}/erase"), data={"confirmation": "U0LEA"})
    assert len(await office.rows(ContactErasure)) == 1
    await erase_what_waits(office)

    page = await portal.get(at(owner, f"/{lea}"))
    assert "This contact was erased" in page.text
    assert "Gone are the words of 2 messages, 3 memories" in page.text
    for word in ("Moreau", "Brompton", "U0LEA"):
        assert word not in page.text
    assert await office.rows(Memory) == []
    async with office.session() as session:
        assert (await session.scalars(select(ContactKey))).all() == []
    [noted] = await office.events("contact.erased")
    assert noted.actor == owner.actor
    assert listed(await portal.get(at(owner), params={"state": "erased"})) == ["Erased contact"]
    done = await portal.get(at(owner, f"/{lea}/erasure"), headers={"hx-request": "true"})
    assert done.headers["hx-redirect"] == at(owner, f"/{lea}")


class _Away:
    """A cache that is there for nobody, once."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.dropped: list[UUID] = []

    async def get(self, tenant_id: UUID, conversation_id: UUID) -> str | None:
        return None

    async def put(self, tenant_id: UUID, conversation_id: UUID, window: str) -> None: ...

    async def drop(self, tenant_id: UUID, conversation_ids: Sequence[UUID]) -> bool:
        if self.left:
            self.left -= 1
            raise Unavailable("The part was torn out.")
        self.dropped += conversation_ids
        return True


async def test_an_erasure_that_was_cut_off_goes_on_where_it_was(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea = await met(office, "U0LEA", "Lea Moreau")
    async with office.session() as session:
        [talk] = (await contact_book.read(session, office.vault, lea)).conversations
    await portal.post(at(owner, f"/{lea}/erase"), data={"confirmation": "U0LEA"})
    windows = _Away(1)

    with pytest.raises(Unavailable):
        await erase_what_waits(office, windows)
    page = await portal.get(at(owner, f"/{lea}"))
    assert "The erasure was interrupted" in page.text
    assert "The part was torn out." in page.text
    assert "Nothing of them can be read again" in page.text
    assert "U0LEA" not in page.text
    assert (await portal.post(at(owner, f"/{lea}/erasure"))).status_code == 303
    await erase_what_waits(office, windows)

    assert windows.dropped == [talk.conversation_id]
    [row] = await office.rows(ContactErasure)
    assert (row.attempts, row.sealed, row.error) == (2, None, None)
    assert row.ended_at
    assert len(await office.events("contact.erased")) == 1


async def test_two_who_erase_the_same_person_by_two_contacts_both_end(office: Office) -> None:
    lea, phone = await met(office, "U1", "Lea"), await met(office, "U2", "Lea")
    async with office.session() as session:
        await contacts.join(session, office.tenant_id, lea, phone, actor="test")
        for contact_id in (lea, phone):
            await erasing.ask(session, office.tenant_id, contact_id, actor="test")
    assert len(await erase_what_waits(office)) == 2

    assert sorted(row.contacts for row in await office.rows(ContactErasure)) == [0, 2]
    assert await erase_what_waits(office) == []


async def test_all_that_is_held_is_handed_out_and_that_is_noted(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea = await met(office, "U0LEA", "Lea Moreau")
    await learnt(office, lea, [("Rides a Brompton.", 0.9)])
    tom = await met(office, "U0TOM", "Tom")
    await office.say("Canary of Tom", root="U0LEA", contact="U0TOM")

    answer = await portal.post(at(owner, f"/{lea}/export"))

    assert answer.headers["content-disposition"] == f'attachment; filename="contact-{lea}.json"'
    document = json.loads(answer.text)
    assert document["contacts"][0]["name"] == "Lea Moreau"
    assert [fact["text"] for fact in document["facts"]] == ["Rides a Brompton."]
    [conversation] = document["conversations"]
    texts = [said["text"] for said in conversation["messages"]]
    assert texts == ["Do you have cork grips for a Brompton?", "We do, in two sizes."]
    assert {"message.sent", "contact.exported"} <= {event["action"] for event in document["trail"]}
    assert "Canary" not in answer.text
    [noted] = await office.events("contact.exported")
    assert (noted.actor, noted.subject_id) == (owner.actor, lea)
    # What others said in a thread of hers is in the others' own.
    theirs = json.loads((await portal.post(at(owner, f"/{tom}/export"))).text)
    said = [each["text"] for talk in theirs["conversations"] for each in talk["messages"]]
    assert "Canary of Tom" in said
    assert not any("cork grips" in text for text in said[2:])


async def test_an_erased_person_is_handed_out_without_words(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea = await met(office, "U0LEA", "Lea Moreau")
    await portal.post(at(owner, f"/{lea}/erase"), data={"confirmation": "U0LEA"})
    await erase_what_waits(office)

    document = json.loads((await portal.post(at(owner, f"/{lea}/export"))).text)

    [conversation] = document["conversations"]
    assert [said["text"] for said in conversation["messages"]] == [None, None]
    assert "Lea" not in json.dumps(document)


@pytest.mark.parametrize("role", ["agent", "viewer"])
async def test_who_may_only_look_is_offered_nothing_else(portal: httpx.AsyncClient, office: Office, role: Role) -> None:
    person = await come(office, portal, role)
    lea = await met(office, "U0LEA", "Lea")
    await learnt(office, lea, [("Rides a Brompton.", 0.9)])

    page = await portal.get(at(person, f"/{lea}"))

    assert "Rides a Brompton." in page.text
    for path in ("/forget", "/merge", "/export", "/consent", "/erase"):
        assert f"{lea}{path}" not in page.text
        assert (await portal.post(at(person, f"/{lea}{path}"))).status_code in (403, 405)


async def test_asked_at_once_it_is_put_down_once(office: Office) -> None:
    lea = await met(office, "U0LEA", "Lea")

    async def ask() -> UUID:
        async with office.session() as session:
            return await erasing.ask(session, office.tenant_id, lea, actor="test")

    assert len(set(await asyncio.gather(*(ask() for _ in range(5))))) == 1
