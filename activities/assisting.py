"""Writing for people: the packet of a handoff, and the drafts and summaries that agents ask for."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final, Literal
from uuid import uuid4

import structlog
from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct import conversations, models, usage
from konstruct.budgets import holding
from konstruct.contracts.handoffs import AssistRequest, HandoffState
from konstruct.conversations import Whereabouts
from konstruct.db import Database
from konstruct.errors import ModelsUnavailable, OverBudget
from konstruct.handoffs import asking, cards, entries, owning
from konstruct.handoffs import packet as packet_
from konstruct.model_keys import keeping as model_keys
from konstruct.models import ModelCall
from konstruct.ports import ChatMessage, ChatModel, Cooldowns
from konstruct.settings import Settings
from konstruct.vault import Vault

BUDGET_SECONDS: Final = 90.0
PACKET_SECONDS: Final = 30.0
"""People look at the card meanwhile."""

UNPAID: Final = (
    "The month's budget for models is used up, so no model was asked. Write it yourself, or have the budget raised."
)

log = structlog.get_logger(__name__)


class Assisting:
    def __init__(
        self, settings: Settings, database: Database, vault: Vault, model: ChatModel, cooldowns: Cooldowns
    ) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._model = model
        self._cooldowns = cooldowns

    @activity.defn(name="pack_handoff")
    async def pack_handoff(self, state: HandoffState) -> None:
        """By an excerpt, where no model is up to it or none answers."""
        async with heartbeat():
            async with self._database.tenant_session(state.tenant_id) as session:
                packet = await packet_.read(session, self._vault, state.handoff_id)
                found = await conversations.whereabouts(session, self._vault, packet.handoff.conversation_id)
            prompt = asking.packet_prompt(packet, found.employee.name, found.tenant.name)
            try:
                answer = await self._ask(found, prompt, "packet", PACKET_SECONDS)
            except OverBudget:
                answer = None
            written = asking.excerpt(packet) if answer is None else asking.read_packet(answer)
            if packet.draft:
                # What was thought for the contact is worth more to the agent than a second guess at it.
                written = replace(written, suggestion=packet.draft[: asking.LONGEST_WRITTEN])
            async with self._database.tenant_session(state.tenant_id) as session:
                _, handoff = await owning.locked(session, state.handoff_id)
                cipher = (await self._vault.ciphers(session, [handoff.contact_id])).get(handoff.contact_id)
                if cipher is not None:
                    handoff.sealed_packet = cipher.seal(cards.PACKET, handoff.id, json.dumps(asdict(written)))

    @activity.defn(name="assist_agent")
    async def assist_agent(self, request: AssistRequest) -> None:
        """Writes what an agent asked for into its entry, or that it could not be written."""
        async with heartbeat():
            async with self._database.tenant_session(request.tenant_id) as session:
                entry = await entries.get(session, request.entry_id)
                if entry.state != "wanted":
                    return
                packet = await packet_.read(session, self._vault, entry.handoff_id)
                found = await conversations.whereabouts(session, self._vault, entry.conversation_id)
                agent = await owning.name(session, entry.agent)
            kind: Literal["draft", "summary"] = "draft" if entry.kind == "draft" else "summary"
            prompt = asking.help_prompt(packet, kind, agent, found.employee.name, found.tenant.name)
            why = ""
            try:
                text = await self._ask(found, prompt, "assist", BUDGET_SECONDS)
            except OverBudget:
                text, why = None, UNPAID
            if text is None and kind == "summary":
                text = asking.excerpt(packet).summary
            async with self._database.tenant_session(request.tenant_id) as session:
                await entries.fill(session, self._vault, request.entry_id, text, why)

    @activity.defn(name="give_up_assisting")
    async def give_up_assisting(self, request: AssistRequest) -> None:
        """Every attempt died on the way: whoever waits for it is told."""
        async with self._database.tenant_session(request.tenant_id) as session:
            await entries.fill(session, self._vault, request.entry_id, None)

    async def _ask(
        self, found: Whereabouts, prompt: Sequence[ChatMessage], purpose: Literal["packet", "assist"], budget: float
    ) -> str | None:
        """None when no model that is up to it answers. Raises OverBudget."""
        names = found.employee.models or tuple(found.tenant.models)
        async with self._database.tenant_session(found.tenant.id) as session:
            chain = await model_keys.chain(session, self._vault, names, self._settings)
        links = [link for link in chain if link.provider != "local"]
        if not links:
            return None
        calls: list[ModelCall] = []
        purse = holding.purse(self._database, found.tenant.id, found.employee.employee_id, found.tenant.budgets)
        try:
            answer = await models.ask(
                self._model, links, lambda _: prompt, self._cooldowns, calls.append, budget, purse=purse
            )
        except OverBudget:
            raise
        except ModelsUnavailable as error:
            log.warning("no_model_for_people", conversation_id=str(found.conversation.id), reason=str(error))
            return None
        finally:
            async with self._database.tenant_session(found.tenant.id) as session:
                usage.record(session, found.employee, found.conversation.id, uuid4(), calls, purpose)
        return answer.text
