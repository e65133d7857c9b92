"""A business with people who take conversations over: its hand-off channel, and what they press and write there."""

import secrets
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import aiohttp
from temporalio.client import Client

from konstruct.temporal import workflow_id
from tests.acceptance.shops import buttons, written
from tests.acceptance.town import ANTHROPIC, Office, Talk, Town
from tests.support.commands import konstruct
from tests.support.model_doubles import Json
from tests.support.processes import until
from tests.support.slack_double import Delivery, Said

ROOM = "C0HANDOFFS"
ANNA, BEN, EVE = "U0ANNA", "U0BEN", "U0EVE"
"""The first two are at the desk, and the third reads along."""
NAMES: Mapping[str, str] = {ANNA: "anna", BEN: "ben"}

SUPPORT: Json = {
    "connection": "slack",
    "channel": ROOM,
    "people": {
        "anna": {"name": "Anna Berg", "slack": ANNA, "email": "anna@example.com"},
        "ben": {"name": "Ben Okoro", "slack": BEN, "email": "ben@example.com"},
    },
    "groups": {"support": {"people": ["anna", "ben"], "give_up_after": "4 weeks"}},
}


class Place(Protocol):
    """Where somebody talks, on any channel."""

    @property
    def root(self) -> str: ...


@dataclass(frozen=True)
class Desk:
    office: Office
    key: str
    """Of the REST API."""

    @property
    def town(self) -> Town:
        return self.office.town

    async def asked(self, talk: Talk, text: str = "I want a person.") -> Json:
        """The card of a talk in which a person is asked for."""
        await talk.mention(text)
        await self.hand_off(talk)
        return await self.card(talk)

    async def conversation(self, talk: Place) -> Json:
        rows: list[Json] = []

        async def is_there() -> bool:
            rows[:] = [row for row in await self.office.rows("conversations") if row["root"] == talk.root]
            return bool(rows)

        await until(is_there)
        return rows[0]

    async def handoff(self, talk: Place) -> Json:
        """The latest of the talk."""
        conversation = await self.conversation(talk)
        return [row for row in await self.office.rows("handoffs") if row["conversation_id"] == conversation["id"]][-1]

    async def hand_off(self, talk: Talk) -> None:
        """As any program that speaks to Temporal does."""
        await self.signal(talk, "handoff", {"by": "test", "reason": "Somebody is wanted."})

    async def signal(self, talk: Talk, name: str, content: Json) -> None:
        conversation = await self.conversation(talk)
        client = await Client.connect(self.town.addresses["temporal_address"])
        handle = client.get_workflow_handle(workflow_id(UUID(conversation["tenant_id"]), UUID(conversation["id"])))
        await handle.signal(name, content)

    async def card(self, talk: Place, *texts: str) -> Json:
        """As soon as it says all this, as it is then."""
        found: list[Json] = []

        async def is_there() -> bool:
            place = (await self.handoff(talk))["card_external_id"]
            found[:] = [
                card
                for card in self.town.slack.bot_messages(ROOM, team=self.office.workspace.team_id)
                if card["ts"] == place and all(text in "".join(written(card)) for text in texts)
            ]
            return bool(found)

        await self.has_handoff(talk)
        await until(is_there, timeout=60)
        return deepcopy(found[0])

    async def has_handoff(self, talk: Place) -> None:
        conversation = await self.conversation(talk)

        async def is_there() -> bool:
            rows = await self.office.rows("handoffs")
            return bool([row for row in rows if row["conversation_id"] == conversation["id"]])

        await until(is_there, timeout=60)

    async def owner(self, talk: Place, owner: str) -> None:
        """Waits until the talk is theirs."""

        async def is_theirs() -> bool:
            return str((await self.conversation(talk))["owner"]) == owner

        await until(is_theirs, timeout=60)

    async def press(self, card: Json, user: str, action: str) -> Delivery:
        return await self.town.slack.person_clicks(
            ROOM,
            card["ts"],
            user,
            action_id=f"handoff:{action}",
            value=buttons(card)[f"handoff:{action}"],
            url=f"{self.gateway}/slack/interactivity",
            team=self.office.workspace.team_id,
        )

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.town.env['KONSTRUCT_GATEWAY_PORT']}"

    async def write(self, card: Json, user: str, text: str) -> Said:
        """In the card's thread."""
        return await self.town.slack.person_says(
            ROOM, user, text, thread_ts=card["ts"], team=self.office.workspace.team_id
        )

    async def order(self, card: Json, user: str, text: str) -> Said:
        return await self.write(card, user, f"<@{self.office.workspace.bot_user_id}> {text}")

    async def thread(self, card: Json, *texts: str) -> list[str]:
        """What we wrote there, as soon as some of it holds these texts."""
        lines: list[str] = []

        def is_there() -> bool:
            messages = self.town.slack.bot_messages(ROOM, team=self.office.workspace.team_id)
            lines[:] = ["".join(written(each)) for each in messages if each.get("thread_ts") == card["ts"]]
            return all(any(text in line for line in lines) for text in texts)

        await until(is_there, timeout=60)
        return list(lines)

    async def whispered(self, user: str, text: str) -> None:
        await until(lambda: any(user == who and text in said for _, who, said in self.town.slack.world.whispers))

    async def call(self, method: str, path: str, body: Json | None = None, key: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key or secrets.token_hex(8)}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.gateway}/api/v1{path}", json=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json()


async def open_desk(
    town: Town,
    tools: Sequence[str] = ("current_time", "hand_off"),
    *,
    models: Sequence[str] = (ANTHROPIC,),
    rules: Sequence[Mapping[str, Any]] = (),
    sections: Mapping[str, Any] | None = None,
    more_secrets: Mapping[str, str] | None = None,
) -> Desk:
    """``sections``: of the tenant's file, where they are to be others."""
    limits = dict.fromkeys(("contact", "connection", "tenant"), "100000/minute")
    shown = {"desk": SUPPORT} | dict(sections or {})
    office = await town.new_office(
        name="Ada",
        models=models,
        limits=limits,
        sections=shown,
        tools=tools,
        rules=rules,
        more_secrets=more_secrets,
    )
    office.workspace.add_channel(ROOM, members={ANNA, BEN, EVE})
    made = await konstruct(
        *("api-key", "create", "desk", "--tenant", office.slug),
        *("--scope", "handoffs:read", "--scope", "handoffs:act"),
        env=town.env,
    )
    assert made.status == 0, made
    return Desk(office, made.said.strip())
