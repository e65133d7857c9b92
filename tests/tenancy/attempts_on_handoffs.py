"""What one tenant may try on another's handoffs, desk and what agents wrote; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.desk import people
from konstruct.desk_ports import DeskEntry
from konstruct.errors import NotAllowed, NotFound
from konstruct.handoffs import attending, cards, entries, finding, leaving, owning, packet
from konstruct.handoffs.attending import Post
from konstruct.handoffs.entries import Origin
from konstruct.handoffs.owning import Agent, Wish
from konstruct.tables import CannedReply, Conversation, Handoff, HandoffEntry, Judgement, Rating
from konstruct.tables.base import utc_now
from tests.support.handoffs import DESK_CHANNEL, change_row, hand_off, note, whole, write
from tests.support.office import Furnished
from tests.support.workshop import set_tenant

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


def agent_of(office: Furnished) -> Agent:
    """Whom no other tenant knows."""
    return Agent(f"agent-{office.tenant_id}", f"Canary {office.tenant_id}")


def user_of(office: Furnished) -> str:
    return f"U{office.tenant_id.hex.upper()}"


def card_of(office: Furnished) -> str:
    return f"card-{office.tenant_id}"


def wish_of(office: Furnished) -> Wish:
    return Wish("outside", "canary", "Canary reason")


async def staff(office: Furnished) -> None:
    """With a desk, and a handoff that an agent has: a reply and a note are written, and a draft is asked for."""
    agent = agent_of(office)
    person = {"name": agent.name, "slack": user_of(office), "email": f"{office.tenant_id}@example.com"}
    await set_tenant(office, desk={"connection": "slack", "channel": DESK_CHANNEL, "people": {agent.key: person}})
    asked = await office.say("Canary for a person", root="5.0")
    handoff_id = await hand_off(office, asked, wish_of(office))
    async with office.session() as session:
        await owning.claim(session, office.vault, handoff_id, agent)
        await entries.ask(session, handoff_id, agent, "draft", Origin("api", "draft"))
        session.add(
            Judgement(
                tenant_id=office.tenant_id,
                turn_id=uuid4(),
                conversation_id=asked.conversation_id,
                asked_for_human=True,
                has_failed=False,
                mood="neutral",
                outside_policy=False,
                topics=["canary"],
            )
        )
        session.add(
            CannedReply(tenant_id=office.tenant_id, key="canary", title="Canary", body="Canary", created_by="a")
        )
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        session.add(
            Rating(
                tenant_id=office.tenant_id,
                conversation_id=conversation.id,
                contact_id=conversation.contact_id,
                employee_id=conversation.employee_id,
                score=4,
            )
        )
    await write(office, handoff_id, "Canary reply", agent, origin=Origin("api", "reply"))
    await note(office, handoff_id, "Canary note", agent, origin=Origin("api", "note"))
    # Once it is due, sweeps of all tenants find it.
    await change_row(
        office,
        handoff_id,
        card_connection_id=office.connection_id,
        card_channel=DESK_CHANNEL,
        card_external_id=card_of(office),
        attended_at=utc_now(),
    )


async def handoff_of(b: Furnished) -> Handoff:
    async with b.session() as theirs:
        return (await theirs.scalars(select(Handoff))).one()


async def entry_of(b: Furnished, kind: str) -> HandoffEntry:
    async with b.session() as theirs:
        return (await theirs.scalars(select(HandoffEntry).where(HandoffEntry.kind == kind))).one()


Of = Callable[[AsyncSession, Furnished, UUID], Awaitable[object]]


def _on_handoff(attempt: Of) -> Attempt:
    """In our session, with the id of their handoff."""

    async def tried(session: AsyncSession, a: Furnished, b: Furnished) -> object:
        return await attempt(session, a, (await handoff_of(b)).id)

    return tried


def _on_conversation(attempt: Of) -> Attempt:
    async def tried(session: AsyncSession, a: Furnished, b: Furnished) -> object:
        return await attempt(session, a, (await handoff_of(b)).conversation_id)

    return tried


def _on_entry(attempt: Of, kind: str) -> Attempt:
    async def tried(session: AsyncSession, a: Furnished, b: Furnished) -> object:
        return await attempt(session, a, (await entry_of(b, kind)).id)

    return tried


def _post(entry_id: UUID | None = None) -> Post:
    shown = DeskEntry(uuid4(), "Eve", "Not yours", "note", utc_now())
    return Post(shown, is_uncertain=False, seq=1_000, entry_id=entry_id)


async def _leave_employee(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    handoff = await handoff_of(b)
    async with b.session() as theirs:
        conversation = await theirs.get_one(Conversation, (b.tenant_id, handoff.conversation_id))
    await leaving.leave_employee(session, a.vault, conversation, handoff, "Not yours")


async def _settings(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return [person.key for person in (await people.settings(session)).people] == [agent_of(a).key]


async def _agent_key(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Whom another desk knows is here no more than a member."""
    user_id = uuid4()
    async with b.session() as theirs:
        [person] = (await people.settings(theirs)).people
    key = await people.agent_key(session, user_id, person.email or "")
    return key == people.member_key(user_id)


async def _name(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Of somebody whom our desk does not know, nothing but the key is told."""
    return await owning.name(session, agent_of(b).key) == agent_of(b).key


async def _is_card(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Of a handoff and of a consult."""
    places = [(b.connection_id, DESK_CHANNEL, card_of(b)), (b.connection_id, "C9", f"card-of-{b.tenant_id}")]
    async with b.session() as theirs:
        assert [await finding.is_card(theirs, *place) for place in places] == [True, True]
    return any([await finding.is_card(session, *place) for place in places])


async def _with_card(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await finding.with_card(session, b.connection_id, DESK_CHANNEL, card_of(b))


async def _next_posts(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        desk = await people.settings(theirs)
        assert await attending.next_posts(theirs, b.vault, await handoff_of(b), desk)
    return await attending.next_posts(session, a.vault, await handoff_of(b), desk)


async def _card(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        desk = await people.settings(theirs)
    return await cards.card(session, a.vault, await handoff_of(b), desk)


async def _link(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """To our own portal, whosever the handoff is: there nothing is known of it."""
    async with b.session() as theirs:
        theirs_is = await cards.link(theirs, "https://portal.example", await handoff_of(b))
    return await cards.link(session, "https://portal.example", await handoff_of(b)) != theirs_is


async def _listing(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return {each.tenant_id for each in await packet.listing(session)} - {a.tenant_id}


async def _of_handoff(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        assert await entries.of_handoff(theirs, (await handoff_of(b)).id)
    return await entries.of_handoff(session, (await handoff_of(b)).id)


async def _wanted(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        assert await attending.wanted(theirs, (await handoff_of(b)).id)
    return await attending.wanted(session, (await handoff_of(b)).id)


async def _write_where_they_wrote(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Under the name of something that both wrote: ours is a repetition of our own, which it says it is."""
    written = await entries.write(
        session, a.vault, (await handoff_of(a)).id, agent_of(a), "Canary reply", Origin("api", "reply"), whole
    )
    return written.is_new or written.entry_ids == [(await entry_of(b, "reply")).id]


async def _transfer(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await owning.transfer(session, (await handoff_of(b)).id, agent_of(b), agent_of(a))


async def _release(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await owning.release(session, (await handoff_of(b)).id, agent_of(b))


def _origin() -> Origin:
    return Origin("api", "stolen")


ON_HANDOFFS: dict[str, tuple[Attempt, object]] = {
    "desk.people.agent_key": (_agent_key, True),
    "desk.people.settings": (_settings, True),
    "handoffs.owning.agent": (lambda s, a, b: owning.agent(s, agent_of(b).key), NotAllowed),
    "handoffs.owning.slack_agent": (lambda s, a, b: owning.slack_agent(s, user_of(b)), NotAllowed),
    "handoffs.owning.name": (_name, True),
    "handoffs.owning.hand_off": (
        _on_conversation(lambda s, a, theirs: owning.hand_off(s, a.vault, theirs, wish_of(a))),
        NotFound,
    ),
    "handoffs.owning.hand_off of what is their employee's": (
        lambda s, a, b: owning.hand_off(s, a.vault, b.asked.conversation_id, wish_of(a)),
        NotFound,
    ),
    "handoffs.owning.tell": (
        lambda s, a, b: owning.tell(s, a.vault, b.asked.conversation_id, wish_of(a)),
        NotFound,
    ),
    "handoffs.owning.take_over": (
        lambda s, a, b: owning.take_over(s, a.vault, b.asked.conversation_id, agent_of(a)),
        NotFound,
    ),
    "handoffs.owning.take_over of what they have": (
        _on_conversation(lambda s, a, theirs: owning.take_over(s, a.vault, theirs, agent_of(a))),
        NotFound,
    ),
    "handoffs.owning.resume": (
        _on_conversation(lambda s, a, theirs: owning.resume(s, a.vault, theirs, "a")),
        NotFound,
    ),
    "handoffs.finding.be_there": (lambda s, a, b: finding.be_there(s, b.asked.conversation_id), NotFound),
    "handoffs.owning.claim": (
        _on_handoff(lambda s, a, theirs: owning.claim(s, a.vault, theirs, agent_of(a))),
        NotFound,
    ),
    "handoffs.owning.transfer": (_transfer, NotFound),
    "handoffs.owning.release": (_release, NotFound),
    "handoffs.owning.resolve": (
        _on_handoff(lambda s, a, theirs: owning.resolve(s, a.vault, theirs, agent_of(a), "Not yours")),
        NotFound,
    ),
    "handoffs.owning.hand_back": (
        _on_handoff(lambda s, a, theirs: owning.hand_back(s, a.vault, theirs, agent_of(a), "Not yours")),
        NotFound,
    ),
    "handoffs.owning.give_up": (_on_handoff(lambda s, a, theirs: owning.give_up(s, a.vault, theirs)), NotFound),
    "handoffs.owning.get": (_on_handoff(lambda s, a, theirs: owning.get(s, theirs)), NotFound),
    "handoffs.owning.locked": (_on_handoff(lambda s, a, theirs: owning.locked(s, theirs)), NotFound),
    "handoffs.finding.channel_kind": (_on_handoff(lambda s, a, theirs: finding.channel_kind(s, theirs)), NotFound),
    "handoffs.finding.is_card": (_is_card, False),
    "handoffs.finding.with_card": (_with_card, None),
    "handoffs.leaving.leave_employee": (_leave_employee, None),
    "handoffs.entries.write": (
        _on_handoff(lambda s, a, of: entries.write(s, a.vault, of, agent_of(a), "Not yours", _origin(), whole)),
        NotFound,
    ),
    "handoffs.entries.write where they wrote": (_write_where_they_wrote, False),
    "handoffs.entries.note": (
        _on_handoff(lambda s, a, of: entries.note(s, a.vault, of, agent_of(a), "Not yours", _origin())),
        NotFound,
    ),
    "handoffs.entries.ask": (
        _on_handoff(lambda s, a, of: entries.ask(s, of, agent_of(a), "draft", _origin())),
        NotFound,
    ),
    "handoffs.entries.fill": (
        _on_entry(lambda s, a, theirs: entries.fill(s, a.vault, theirs, "Not yours"), "draft"),
        NotFound,
    ),
    "handoffs.entries.get": (_on_entry(lambda s, a, theirs: entries.get(s, theirs), "reply"), NotFound),
    "handoffs.entries.text": (_on_entry(lambda s, a, theirs: entries.text(s, a.vault, theirs), "note"), NotFound),
    "handoffs.entries.of_handoff": (_of_handoff, []),
    "handoffs.attending.advance": (
        _on_handoff(lambda s, a, of: attending.advance(s, a.vault, of, utc_now() + timedelta(days=1))),
        NotFound,
    ),
    "handoffs.attending.count": (_on_handoff(lambda s, a, of: attending.count(s, of)), NotFound),
    "handoffs.attending.uncount": (_on_handoff(lambda s, a, of: attending.uncount(s, of)), NotFound),
    "handoffs.attending.cross_out": (_on_handoff(lambda s, a, of: attending.cross_out(s, of, uuid4())), NotFound),
    "handoffs.attending.begin_anew": (_on_handoff(lambda s, a, of: attending.begin_anew(s, of)), NotFound),
    "handoffs.attending.not_now": (
        _on_handoff(lambda s, a, of: attending.not_now(s, of, agent_of(a).key)),
        NotFound,
    ),
    "handoffs.attending.next_posts": (_next_posts, []),
    "handoffs.attending.begin_post": (
        _on_handoff(lambda s, a, of: attending.begin_post(s, of, _post())),
        NotFound,
    ),
    "handoffs.attending.begin_post of an entry": (
        _on_entry(lambda s, a, entry: attending.begin_post(s, uuid4(), _post(entry)), "note"),
        NotFound,
    ),
    "handoffs.attending.end_post": (_on_handoff(lambda s, a, of: attending.end_post(s, of, _post())), NotFound),
    "handoffs.attending.end_post of an entry": (
        _on_entry(lambda s, a, entry: attending.end_post(s, uuid4(), _post(entry)), "note"),
        NotFound,
    ),
    "handoffs.attending.wanted": (_wanted, []),
    "handoffs.attending.note_swept": (_on_handoff(lambda s, a, of: attending.note_swept(s, of)), NotFound),
    "handoffs.cards.link": (_link, True),
    "handoffs.cards.card": (_card, NotFound),
    "handoffs.packet.read": (_on_handoff(lambda s, a, theirs: packet.read(s, a.vault, theirs)), NotFound),
    "handoffs.packet.listing": (_listing, set()),
}
