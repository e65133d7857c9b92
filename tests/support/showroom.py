"""Two businesses as the pages show them: one where much has happened, and one where nothing has yet."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import col
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from activities.thinking import Thinking
from konstruct import api_keys, connections, retention, tenant_settings
from konstruct.accounts import factors, inviting, totp
from konstruct.accounts.permissions import Role
from konstruct.accounts.team import By
from konstruct.adapters.console import ConsoleMessenger
from konstruct.billing import allowances
from konstruct.contracts.conversation import DeliverRequest, ThinkRequest, Thought
from konstruct.db import Database
from konstruct.designs import archiving, drafting, publishing, serving, starts
from konstruct.designs.drafting import Draft
from konstruct.desk import editing
from konstruct.identity import ConnectionId, new_id
from konstruct.knowledge import sources
from konstruct.knowledge.sources import SourceSettings
from konstruct.model_keys import keeping
from konstruct.model_keys.keeping import Candidate
from konstruct.rehearsals import rooms
from konstruct.retention import Periods
from konstruct.settings import Settings
from konstruct.tables import Authenticator, Connection, Invitation, Passkey, PlanMonth, Tenant, UserSession
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.billed import bill
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools, ScriptedModel, WordEmbedder
from tests.support.members import Enrolled, enrolled, new_tenant, sign_in
from tests.support.office import Office, open_office
from tests.support.rehearsals import Stage
from tests.support.showroom_inbox import _inbox
from tests.support.showroom_offers import furnish_offers
from tests.support.showroom_pane import _pane
from tests.support.showroom_reports import furnish_reports
from tests.support.showroom_timeline import _timeline
from tests.support.showroom_trail import _trail
from tests.support.showroom_words import furnish_words

MODEL: Final = "anthropic/claude-sonnet-4-6"
LONG_NAME: Final = "Bartholomäus Featherstonehaugh-Cholmondeley of the Night Shift"
_INSTRUCTIONS: Final = """You help customers of Acme Bikes with orders, repairs and returns.

- Look facts up in the knowledge before you state them.
- Ask for the order number when a question is about one order.
- Never promise a refund. Hand the conversation to a person for that."""
_WEEKDAYS: Final = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-18:00")
_SITE: Final = "https://konstruct.example"


@dataclass(frozen=True)
class Showroom:
    rich: Office
    owner: Enrolled
    """Of the business where much has happened."""
    newcomer: Enrolled
    """Owner of one where nothing has."""
    whatsapp: ConnectionId
    lost: ConnectionId
    """A connection that died."""
    conversation: UUID
    """In which a contact asked for a person."""
    eventful: UUID
    """One in which everything happened that can."""
    approval_id: UUID
    """Of what an employee waits to be allowed."""
    people: dict[str, UUID]
    """A contact, another one, and an event of the trail, by what addresses call them."""
    mine: UUID
    """A conversation that the owner has taken over."""


async def furnish(database: Database, vault: Vault, mark: str | None = None) -> Showroom:
    """``mark`` makes names and addresses of it unlike those of other showrooms; an empty one is for the first alone."""
    mark = f"-{secrets.token_hex(3)}" if mark is None else mark
    office = await open_office(database, vault, models=[MODEL], prompts=["Where is my order?", "Talk to a person"])
    await _named(office, f"acme-bikes{mark}", "Acme Bikes")
    owner = await enrolled(database, vault, tenant=office.tenant_id, name="Ana Duarte", email=f"ana{mark}@acme.example")
    await _employees(office, owner)
    whatsapp, lost = await _channels(office, owner)
    await _team(office, owner, mark)
    await _settings(office, owner)
    conversation = await _conversations(office)
    eventful, approval_id = await _timeline(office, owner)
    people = await _trail(office, owner, whatsapp)
    await _rehearsal(office, owner)
    await furnish_reports(office, owner, eventful)
    await furnish_offers(office, owner)
    await furnish_words(office, owner)
    await _plan(office)
    mine = await _pane(office, owner, whatsapp)
    await _inbox(office, owner)
    empty = await new_tenant(database, "Nordlicht Yoga")
    newcomer = await enrolled(database, vault, tenant=empty, name="Jo Lind", email=f"jo{mark}@nordlicht.example")
    return Showroom(office, owner, newcomer, whatsapp, lost, conversation, eventful, approval_id, people, mine)


async def _named(office: Office, slug: str, name: str) -> None:
    async with office.session() as session:
        tenant = await session.get_one(Tenant, office.tenant_id)
        tenant.slug, tenant.name, tenant.time_zone = slug, name, "Europe/Lisbon"
        tenant.onboarding = {"closed": True}


async def _employees(office: Office, owner: Enrolled) -> None:
    """One that serves, with a draft; one never published; one archived; one with more name than fits."""
    support = starts.called("support")
    assert support is not None
    async with office.session() as session:
        await sources.put(session, office.tenant_id, "handbook", SourceSettings("files"), "test")
    ada = {**support.content(), "system_prompt": _INSTRUCTIONS, "models": [MODEL], "language": "en"}
    ada |= {"tools": [*ada["tools"], {"name": "current_time"}], "knowledge": ["handbook"]}
    await _published(office, owner, "ada", ada, "Knows repairs and returns.")
    await _published(office, owner, "ada", ada | {"persona": "Warm, calm and quick."}, "Kinder.")
    hours = {"time_zone": "Europe/Lisbon", **_WEEKDAYS}
    away = "We are closed. Somebody reads this at nine."
    await _saved(office, owner, "ada", ada | {"greeting": "Hi! How can I help?", "hours": hours, "away_reply": away})
    for start, name in (("sales", "Otis"), ("people", LONG_NAME), ("helpdesk", "Milo")):
        begun = starts.called(start)
        assert begun is not None
        async with office.session() as session:
            content = {**begun.content(), "name": name, "models": [MODEL]}
            made = await drafting.create(session, office.tenant_id, content, actor=owner.actor)
        if start != "sales":
            async with office.session() as session:
                await publishing.publish(session, made.key, revision=1, over=0, actor=owner.actor)
        if start == "helpdesk":
            async with office.session() as session:
                await archiving.archive(session, made.key, actor=owner.actor)


async def _saved(office: Office, owner: Enrolled, key: str, content: dict[str, Any]) -> Draft:
    async with office.session() as session:
        draft = await drafting.read(session, key)
        saved = await drafting.save(session, key, content, revision=draft.revision, actor=owner.actor)
        assert isinstance(saved, Draft)
        return saved


async def _published(office: Office, owner: Enrolled, key: str, content: dict[str, Any], note: str) -> None:
    draft = await _saved(office, owner, key, content)
    async with office.session() as session:
        await publishing.publish(
            session, key, revision=draft.revision, over=draft.published_version, note=note, actor=owner.actor
        )


async def _channels(office: Office, owner: Enrolled) -> tuple[ConnectionId, ConnectionId]:
    numbers = {"phone_number_id": "1072", "waba_id": "2044", "display_phone_number": "+351 21 555 0142"}
    whatsapp = await _connected(
        office, owner, "whatsapp", {**numbers, "verified_name": "Acme Bikes"}, {"access_token": SecretStr("EAAG")}
    )
    lost = await _connected(office, owner, "slack", {"team_id": "T2", "team_name": "Acme Bikes Porto"}, {})
    async with office.session() as session:
        await connections.mark(session, lost, status="revoked", reason="token_revoked", actor="slack")
        await connections.note_event(session, whatsapp)
        await connections.note_event(session, office.connection_id)
        await session.execute(
            update(Connection)
            .where(col(Connection.id) == office.connection_id)
            .values(external=Connection.external + {"team_name": "Acme Bikes"})  # type: ignore[operator]
        )
    async with office.session() as session:
        await serving.bind(session, "ada", "slack", "C024BE91L", actor=owner.actor)
    return whatsapp, lost


async def _connected(
    office: Office, owner: Enrolled, kind: str, external: dict[str, str | None], kept: dict[str, SecretStr]
) -> ConnectionId:
    account = secrets.token_hex(6)
    async with office.session() as session:
        return await connections.install(
            *(session, office.vault, office.tenant_id),
            key=f"{kind}-{account[:4]}",
            kind=kind,
            account=account,
            external=external,
            secrets=kept,
            employee_key="ada",
            actor=owner.actor,
        )


async def _team(office: Office, owner: Enrolled, mark: str) -> None:
    database, vault = office.database, office.vault
    team: Sequence[tuple[Role, str, str]] = (
        ("admin", "Ben Okafor", f"ben{mark}@acme.example"),
        ("agent", "Chiara Rossi", f"chiara{mark}@acme.example"),
        ("viewer", LONG_NAME, f"bartholomaeus.featherstonehaugh-cholmondeley{mark}@night-shift.acme.example"),
    )
    for role, name, email in team:
        await enrolled(database, vault, role, office.tenant_id, name=name, email=email)
    await sign_in(database, owner.user_id)
    async with database.account_session(owner.user_id) as session:
        await totp.begin(session, vault, owner.user_id)
        (await session.get_one(Authenticator, owner.user_id)).confirmed_at = utc_now()
        await factors.first_codes(session, owner.user_id)
        session.add(
            Passkey(
                user_id=owner.user_id,
                credential_id=secrets.token_bytes(16),
                public_key=b"-",
                name="Laptop",
                transports=["internal"],
                is_synced=True,
            )
        )
        phone = UserSession(
            user_id=owner.user_id,
            digest=secrets.token_bytes(32),
            factor="password+app",
            agent="Safari on iOS",
            address="203.0.113.7",
            last_seen_at=utc_now() - timedelta(hours=3),
        )
        session.add(phone)
    by = By(owner.user_id, "owner")
    async with office.session() as session:
        for email, role in (("dora@acme.example", "agent"), ("emil@acme.example", "admin")):
            await inviting.invite(session, vault, _SITE, office.tenant_id, by, owner.name, email, role)
        long_ago = utc_now() - timedelta(days=9)
        await session.execute(
            update(Invitation)
            .where(col(Invitation.email) == "emil@acme.example")
            .values(created_at=long_ago, expires_at=long_ago + inviting.GOOD_FOR)
        )


async def _settings(office: Office, owner: Enrolled) -> None:
    tenant, actor = office.tenant_id, owner.actor
    async with office.session() as session:
        for provider, key in (("anthropic", "sk-ant-api03-showroom-Q7fA"), ("openai", "sk-proj-showroom-91Xz")):
            candidate = Candidate(provider, SecretStr(key))  # type: ignore[arg-type]
            await keeping.keep(session, office.vault, tenant, candidate, actor=actor)
        await keeping.note_tested(session, "openai", "OpenAI says that the key was revoked.", actor=actor)
        for name, scopes in (("crm-export", ["approvals:decide"]), ("till", ["knowledge:write"]), ("old-till", None)):
            await api_keys.make(session, tenant, name, scopes or api_keys.SCOPES[:1], actor=actor)
            if scopes is None:
                await api_keys.revoke(session, tenant, name, actor=actor)
        await tenant_settings.change_limits(session, tenant, {"contact": "20/minute"}, actor=actor)
        await retention.change(session, tenant, Periods(messages=365, files=90), actor=actor)
        for person in ({"name": "Chiara Rossi", "slack": "U012AB3CD"}, {"name": "Ben", "email": "ben@acme.example"}):
            await editing.put_person(session, tenant, None, person, actor=actor)
        hours = {"time_zone": "Europe/Lisbon", **_WEEKDAYS}
        for group in ({"people": ["chiara-rossi", "ben"], "hours": hours}, {"people": ["ben"]}):
            name = "Front desk" if "hours" in group else "Workshop"
            await editing.put_group(session, tenant, None, group, name=name, actor=actor)


async def _plan(office: Office) -> None:
    """Paid for months, and well used."""
    now = utc_now()
    card = {"brand": "visa", "last4": "4242"}
    period: dict[str, Any] = {"period_start": now - timedelta(days=11), "period_end": now + timedelta(days=19)}
    await bill(office.database, office.tenant_id, "pro", billed_every="month", detail={"card": card}, **period)
    async with office.session() as session:
        month = await allowances.this_month(session, now)
        session.add(PlanMonth(tenant_id=office.tenant_id, month=month, messages=16_840))


async def _conversations(office: Office) -> UUID:
    said = [
        await office.exchange(asked, answered, root=f"{place}.0", contact=f"U{place}")
        for place, (asked, answered) in enumerate(
            (
                ("Where is my order 1042?", "It left on Monday and is with you by Thursday."),
                ("Can I talk to a person?", "Of course. I am asking somebody."),
                ("My brakes squeak.", "Bring it in between nine and six: a look is free."),
            ),
            1,
        )
    ]
    return said[1].conversation_id


async def _rehearsal(office: Office, owner: Enrolled) -> None:
    """Tried out by the owner: one question that was answered, with all that is shown of how."""
    async with office.session() as session:
        rehearsal = await rooms.start(session, await drafting.read(session, "ada"), user_id=owner.user_id)
    asked = await Stage(office, rehearsal, owner.user_id).say("Can I bring a bike back after three weeks?")
    model, embedder, windows = ScriptedModel(), WordEmbedder(), KeptWindows()
    model.script("Yes: within 30 days, unridden and with its receipt. Shall I tell you where the nearest shop is?")
    messengers = {"rehearsal": ConsoleMessenger()}
    settings = Settings(anthropic_api_key=SecretStr("sk-ant-showroom"))
    thinking = Thinking(
        *(settings, office.database, office.vault, model, NothingCools(), messengers, windows),
        GivenEmbedders({embedder.name: embedder}),
    )
    turn = ThinkRequest(office.tenant_id, asked.conversation_id, new_id(), [asked.message_id], 0)
    thought: Thought = await ActivityEnvironment().run(thinking.think, turn)
    delivery = Delivery(office.database, office.vault, messengers, windows)
    await ActivityEnvironment().run(
        delivery.deliver, DeliverRequest(office.tenant_id, asked.conversation_id, thought.reply_ids)
    )
