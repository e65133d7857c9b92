"""A shop whose employees look up orders and pay money back, the people who may allow it, and what they press."""

import json
import secrets
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import aiohttp
from temporalio.client import Client

from konstruct.adapters.slack_cards import APPROVE
from tests.acceptance.town import Office, Talk, Town, prompt
from tests.support.commands import konstruct
from tests.support.model_doubles import Behaviour, Json, ModelCall, tool_results
from tests.support.processes import until
from tests.support.slack_double import Delivery, events

DESK = "C0APPROVALS"
"""The channel where people are asked."""
GRACE, LINUS, EVE = "U0GRACE", "U0LINUS", "U0EVE"
"""The first two may decide, and the third reads along."""
CAPPED, THRIFTY, READER = "C0CAPPED", "C0THRIFTY", "C0READER"
"""Channels that other employees of the shop serve."""

SECRET: Mapping[str, Any] = {"kind": "http", "auth": {"kind": "bearer"}, "secret": "${SHOP_KEY}"}
ORDER = {"type": "string", "pattern": "^[A-Z]-[0-9]+$"}


def looks_up(url: str) -> Json:
    parameters = {"type": "object", "properties": {"order": ORDER}, "required": ["order"]}
    return {**SECRET, "description": "Says where an order is.", "url": f"{url}/{{order}}", "parameters": parameters}


def pays(url: str, *, sends_idempotency_key: bool = True) -> Json:
    return {
        **SECRET,
        "description": "Pays money back.",
        "method": "POST",
        "url": f"{url}/refunds",
        "parameters": {
            "type": "object",
            "properties": {"order": ORDER, "amount": {"type": "number", "exclusiveMinimum": 0}},
            "required": ["order", "amount"],
        },
        "body": {"order": "{order}", "amount": "{amount}"},
        "sends_idempotency_key": sends_idempotency_key,
    }


def sections(town: Town) -> Json:
    """``refund`` asks first, ``goodwill`` never, ``credit`` after strangers' text; ``voucher`` cannot be repeated."""
    tools = {
        "order-status": {**looks_up(f"{town.shop.url}/orders"), "result": "order"},
        "catalogue": {**SECRET, "description": "Lists all there is.", "url": f"{town.shop.url}/catalogue"},
        "review": {**looks_up(f"{town.shop.url}/reviews"), "description": "Reads a review of an order."},
        **dict.fromkeys(("refund", "goodwill", "credit"), pays(town.shop.url)),
        "voucher": pays(town.shop.url, sends_idempotency_key=False),
        "crm": {
            "kind": "mcp",
            "url": town.crm.url,
            "secret": "${CRM_TOKEN}",
            "tools": {name: {"risk": "reads"} for name in ("add", "echo", "slow", "moody")},
        },
    }
    who = {"role": "Front desk", "system_prompt": "Be helpful."}
    chosen = [
        *("current_time", "remember", "forget", "order-status", "catalogue", "review", "refund"),
        *("crm/add", "crm/echo", "crm/slow", "crm/moody"),
        {"name": "goodwill", "approval": "never"},
        {"name": "voucher", "approval": "never"},
        {"name": "credit", "approval": "after_untrusted"},
    ]
    employees = {
        "front": {**who, "name": "Ada", "tools": chosen},
        "capped": {**who, "name": "Bert", "tools": ["order-status"], "caps": {"steps": 2}},
        "thrifty": {**who, "name": "Carl", "tools": ["order-status"], "caps": {"cost": "0.0001"}},
        "reader": {**who, "name": "Dora", "tools": ["order-status"]},
    }
    channels = {CAPPED: "capped", THRIFTY: "thrifty", READER: "reader"}
    slack = {"kind": "slack", "bot_token": "${BOT_TOKEN}", "employee": "front", "channels": channels}
    return {
        "tools": tools,
        "employees": employees,
        "connections": {"slack": slack},
        "approvals": {"connection": "slack", "channel": DESK, "deciders": [GRACE, LINUS]},
    }


@dataclass(frozen=True)
class Shop:
    office: Office

    @property
    def town(self) -> Town:
        return self.office.town

    def order(self) -> str:
        """One that nobody else speaks of."""
        order = f"Q-{secrets.randbelow(10**9)}"
        self.town.shop.orders[order] = {"state": "shipped", "carrier": "Hermes"}
        return order

    async def asked(self, order: str, tool: str = "refund", *, user: str = "", **more: Any) -> tuple[Talk, Json]:
        """A talk in which money is to be paid back for an order, and the card on which people are asked."""
        talk = self.office.talk(user=user)
        call = (tool, {"order": order, "amount": 20})
        self.town.models.turns(
            "anthropic", f"Pay for {order}", Behaviour(calls=[call]), Behaviour(lambda _: "I asked.", **more)
        )
        await talk.mention(f"Pay for {order}.")
        card = await self.card(order, "It can be decided until")
        if "fault" not in more:
            # A decision that comes before this was said would join the turn, and it would never be said.
            await talk.heard()
        return talk, card

    async def card(self, *texts: str) -> Json:
        """The one that holds all these texts, as soon as there is one, as it is then."""
        found: list[Json] = []

        def is_there() -> bool:
            cards = self.town.slack.bot_messages(DESK, team=self.office.workspace.team_id)
            found[:] = [card for card in cards if all(text in "".join(written(card)) for text in texts)]
            return bool(found)

        await until(is_there, timeout=60)
        assert len(found) == 1, found
        return deepcopy(found[0])

    async def press(self, card: Json, user: str = GRACE, action: str = APPROVE) -> Delivery:
        return await self.town.slack.person_clicks(
            DESK,
            card["ts"],
            user,
            action_id=action,
            value=buttons(card)[action],
            url=f"{self.gateway}/slack/interactivity",
            team=self.office.workspace.team_id,
        )

    async def whispered(self, user: str, text: str) -> None:
        await until(lambda: any(user == who and text in said for _, who, said in self.town.slack.world.whispers))

    async def stop(self, talk: Talk) -> None:
        """Presses the button that Slack shows beside a thread while somebody is at work there."""
        _, channel = self.town.slack.find_channel(talk.channel, self.office.workspace.team_id)
        stop = events.agent_session_stopped(channel, talk.root, talk.user, self.town.slack.world.next_ts())
        assert (await self.town.slack.deliver(stop, team=self.office.workspace.team_id)).status == 200

    async def calls(self, talk: Talk) -> list[Json]:
        """Of tools, in order."""
        [conversation] = [row for row in await self.office.rows("conversations") if row["root"] == talk.root]
        rows = await self.office.rows("tool_calls")
        calls = [row for row in rows if row["conversation_id"] == conversation["id"]]
        return sorted(calls, key=lambda row: (row["created_at"], row["step"], row["position"]))

    def model_calls(self, text: str) -> list[ModelCall]:
        return [call for call in self.town.models.calls if text in prompt(call)]

    async def asks(self, talk: Talk, text: str, *steps: Behaviour) -> str:
        """The answer, when the model does this for it, step by step."""
        before = len(talk.texts())
        self.town.models.turns("anthropic", text, *steps)
        await (talk.say(text) if talk.root else talk.mention(text))
        return (await talk.heard(before + 1))[before]

    async def look_at_servers(self) -> None:
        """As the schedule does in its own time."""
        await self.town.change("update tools set looked_at = null")
        client = await Client.connect(self.town.addresses["temporal_address"])
        await client.get_schedule_handle("servers").trigger()

    async def server(self) -> Json:
        """The tenant's one."""
        [server] = [row for row in await self.office.rows("tools") if row["kind"] == "mcp"]
        return server

    async def has_listed(self, **states: str) -> None:
        """Waits until what the server offers is known, and these tools of it are so."""

        async def holds() -> bool:
            listing = (await self.server())["listing"]
            return bool(listing) and all(listing[name]["state"] == state for name, state in states.items())

        await until(holds, timeout=60)

    async def new_key(self, *scopes: str) -> str:
        wanted = [part for scope in scopes for part in ("--scope", scope)]
        name = f"program-{secrets.token_hex(4)}"
        made = await konstruct("api-key", "create", name, "--tenant", self.office.slug, *wanted, env=self.town.env)
        assert made.status == 0, made
        return made.said.strip()

    async def api(self, key: str, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as client,
            client.request(method, f"{self.gateway}/api/v1{path}", json=body) as answer,
        ):
            return answer.status, await answer.json()

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.town.env['KONSTRUCT_GATEWAY_PORT']}"


async def open_shop(town: Town) -> Shop:
    limits = dict.fromkeys(("contact", "connection", "tenant"), "100000/minute")
    office = await town.new_office(limits=limits, sections=sections(town))
    office.workspace.add_channel(DESK, members={GRACE, LINUS, EVE})
    return Shop(office)


def says_results(messages: list[Json]) -> str:
    return "I found: " + " | ".join(tool_results(messages))


def written(card: Json) -> Iterator[str]:
    """All that people read on a card, its buttons apart."""
    yield from _texts([block for block in card["blocks"] if block["type"] != "actions"])


def buttons(card: Json) -> dict[str, str]:
    """What each carries, by its action."""
    actions = [block["elements"] for block in card["blocks"] if block["type"] == "actions"]
    return {button["action_id"]: button["value"] for elements in actions for button in elements}


def arguments(card: Json) -> Json:
    [rich] = [block for block in card["blocks"] if block["type"] == "rich_text"]
    [shown] = [part for part in rich["elements"] if part["type"] == "rich_text_preformatted"]
    told: Json = json.loads("".join(_texts(shown)))
    return told


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        yield from _texts([each for each in value.values() if isinstance(each, dict | list)])
