"""A running product between a pretended Slack and pretended models, and the people who use it."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args
from uuid import UUID

import asyncpg
import redis.asyncio
from pydantic import SecretStr
from ruamel.yaml import YAML
from temporalio.client import Client

from konstruct.db import Database
from konstruct.temporal import workflow_id
from konstruct.vault import Vault
from konstruct.window import MESSAGE
from tests.support.commands import Outcome, konstruct
from tests.support.graph_double import GraphDouble
from tests.support.mcp_server import McpDouble
from tests.support.model_doubles import Behaviour, Json, ModelCall, ModelDoubles, Provider, content_text
from tests.support.processes import Up, ended, environment, until
from tests.support.service_double import ServiceDouble
from tests.support.slack_double import HostedFile, Said, SlackDouble, Workspace
from tests.support.website import Website, open_website

ANTHROPIC = "anthropic/claude-sonnet-4-6"
OPENAI = "openai/gpt-5.4"
OLLAMA = "ollama/llama3.2"
NOBODY_LISTENS = "local/smollm2"
"""A model at an address that refuses connections."""
WHATSAPP_VERIFY_TOKEN = secrets.token_hex(8)
CRM_TOKEN, OTHER_CRM_TOKEN = (f"crm-{secrets.token_hex(8)}" for _ in range(2))
"""Two customers of one server."""
LONG_ANSWER = "\n\n".join(
    f"Paragraph {number}: {'all-work-and-no-play-makes-Jack-a-dull-boy ' * 10}." for number in range(60)
)
"""Three of Slack's messages long, of long words: a word is a piece, and each takes litellm a millisecond or more."""


@dataclass
class Talk:
    """One thread that a person has with an employee, in a channel where nobody else talks."""

    slack: SlackDouble
    workspace: Workspace
    channel: str
    user: str
    root: str = ""

    async def mention(self, text: str) -> Said:
        return await self._say(f"<@{self.workspace.bot_user_id}> {text}")

    async def say(self, text: str) -> Said:
        """Without a mention."""
        return await self._say(text)

    async def send(self, text: str, *files: HostedFile) -> Said:
        """Files, with words."""
        mention = f"<@{self.workspace.bot_user_id}> {text}"
        said = await self.slack.person_sends(
            self.channel, self.user, mention, *files, thread_ts=self.root or None, team=self.workspace.team_id
        )
        self.root = self.root or said.ts
        assert [delivery.status for delivery in said.deliveries] == [200], said.deliveries
        return said

    async def _say(self, text: str) -> Said:
        said = await self.slack.person_says(
            self.channel, self.user, text, thread_ts=self.root or None, team=self.workspace.team_id
        )
        self.root = self.root or said.ts
        assert [delivery.status for delivery in said.deliveries] == [200] * len(said.deliveries), said.deliveries
        return said

    async def heard(self, count: int = 1, *, timeout: float = 40.0) -> list[str]:
        """What the bot wrote in the thread, once there are ``count`` messages and none of them is still being written;
        what it wrote elsewhere is an error."""
        await self.slack.wait_for_message(
            self.channel, count, thread_ts=self.root, team=self.workspace.team_id, timeout=timeout
        )
        await until(lambda: all(each.get("streaming_state") != "in_progress" for each in self.messages()), timeout)
        return self.texts()

    def texts(self) -> list[str]:
        return [shown_text(message) for message in self.messages()]

    def messages(self) -> list[Json]:
        messages = self.slack.bot_messages(self.channel, team=self.workspace.team_id)
        assert all(message.get("thread_ts") == self.root for message in messages), messages
        return messages

    async def shows_thinking(self, wanted: bool) -> None:
        """Waits until people see in the thread that somebody is at work, or no longer see it."""
        await until(lambda: ((self.channel, self.root) in self.slack.world.statuses) is wanted)

    async def heard_nothing_more_than(self, count: int) -> list[str]:
        """A conversation is worked off in order: when a later word is answered, nothing of an earlier one comes."""
        if count:
            await self.heard(count)
        await self.say("One last thing.")
        texts = await self.heard(count + 1)
        assert len(texts) == count + 1, texts
        assert "One last thing." in texts[-1]
        return texts[:-1]


def shown_text(message: Json) -> str:
    marked = [block["text"] for block in message["blocks"] if block["type"] == "markdown"]
    # What was streamed is kept as Slack made it of its pieces.
    return "\n".join(marked) if marked or "streaming_state" not in message else str(message["text"]).strip()


@dataclass
class Office:
    """A tenant whose Slack workspace is connected, made by ``konstruct apply``."""

    town: "Town"
    slug: str
    workspace: Workspace
    employee: dict[str, Any]
    models: Sequence[str]
    limits: Mapping[str, str]
    sections: dict[str, Any] = field(default_factory=dict)
    """More of the tenant's file."""
    more_secrets: dict[str, str] = field(default_factory=dict)

    def talk(self, *, user: str = "", channel_id: str = "") -> Talk:
        """In a channel of its own, unless an employee serves the one that is named."""
        channel = self.workspace.add_channel(channel_id or f"C{secrets.token_hex(5).upper()}")
        return Talk(self.town.slack, self.workspace, channel.id, user or f"U{secrets.token_hex(4).upper()}")

    def direct_talk(self) -> Talk:
        user = f"U{secrets.token_hex(4).upper()}"
        return Talk(self.town.slack, self.workspace, self.workspace.dm_with(user).id, user)

    async def apply(self) -> Outcome:
        document = {
            "tenant": self.slug,
            "name": self.slug.title(),
            "models": list(self.models),
            "limits": dict(self.limits),
            "employees": {"front": self.employee},
            "connections": {"slack": {"kind": "slack", "bot_token": "${BOT_TOKEN}", "employee": "front"}},
            **self.sections,
        }
        file = self.town.folder / f"{self.slug}.yaml"
        # As JSON, no two places of it are one object, for which YAML would write an alias.
        YAML(typ="safe").dump(json.loads(json.dumps(document)), file)
        secrets_ = {"BOT_TOKEN": self.workspace.bot_token, "SHOP_KEY": self.town.shop.key}
        secrets_ |= {"CRM_TOKEN": CRM_TOKEN, "OTHER_CRM_TOKEN": OTHER_CRM_TOKEN, **self.more_secrets}
        return await konstruct("apply", str(file), env=self.town.env | secrets_)

    async def second_attempt(self, talk: Talk) -> None:
        """Waits until Temporal has given up the attempt that a worker is at in this conversation."""
        [conversation] = [row for row in await self.rows("conversations") if row["root"] == talk.root]
        client = await Client.connect(self.town.addresses["temporal_address"])
        handle = client.get_workflow_handle(workflow_id(conversation["tenant_id"], conversation["id"]))

        async def has_begun() -> bool:
            pending = (await handle.describe()).raw_description.pending_activities
            return any(activity.attempt > 1 for activity in pending)

        await until(has_begun)

    async def rows(self, table: str) -> list[Json]:
        """The tenant's rows as JSON objects, oldest first."""
        return await self.town.rows(
            f"select to_jsonb(t) from {table} t join tenants on tenants.id = t.tenant_id"
            " where tenants.slug = $1 order by to_jsonb(t) ->> 'id'",
            self.slug,
        )

    async def messages(self) -> list[Json]:
        """The tenant's messages as rows, oldest first, with what they say opened as ``body``."""
        rows = await self.rows("messages")
        keys = tuple(SecretStr(key) for key in self.town.addresses["encryption_keys"].split(","))
        database, vault = Database(SecretStr(self.town.addresses["database_url"])), Vault(keys)
        try:
            for row in rows:
                if row["sealed"] is None:
                    row["body"] = row["body"] or ""
                    continue
                tenant_id, contact_id = UUID(row["tenant_id"]), UUID(row["contact_id"])
                async with database.tenant_session(tenant_id) as session:
                    cipher = (await vault.ciphers(session, [contact_id]))[contact_id]
                row["body"] = cipher.open(MESSAGE, UUID(row["id"]), bytes.fromhex(row["sealed"].removeprefix("\\x")))
        finally:
            await database.close()
        return rows


@dataclass
class Town:
    folder: Path
    env: dict[str, str]
    slack: SlackDouble
    models: ModelDoubles
    website: Website
    up: Up
    keys: Mapping[Provider, str]
    shop: ServiceDouble
    crm: McpDouble
    graph: GraphDouble
    administrator: Any = field(init=False)
    """Connections to the database that are kept, since whoever waits for a row asks fifty times a second."""
    offices: list[Office] = field(default_factory=list)
    _crm_runs: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def new_office(
        self,
        *,
        name: str = "Ada",
        role: str = "Front desk",
        prompt: str = "Be helpful.",
        models: Sequence[str] = (ANTHROPIC,),
        limits: Mapping[str, str] | None = None,
        tools: Sequence[str | Mapping[str, str]] = (),
        knowledge: Sequence[str] = (),
        rules: Sequence[Mapping[str, Any]] = (),
        sections: Mapping[str, Any] | None = None,
        more_secrets: Mapping[str, str] | None = None,
    ) -> Office:
        unique = secrets.token_hex(5).upper()
        workspace = self.slack.world.add_workspace(
            team_id=f"T{unique}",
            bot_user_id=f"U{unique}B",
            bot_id=f"B{unique}",
            bot_token=f"xoxb-{unique}-{secrets.token_hex(8)}",
        )
        employee: dict[str, Any] = {"name": name, "role": role, "system_prompt": prompt}
        employee |= {"tools": list(tools), "knowledge": list(knowledge), "escalation": list(rules)}
        slug = f"office-{unique.lower()}"
        office = Office(
            *(self, slug, workspace, employee, models, limits or {}, dict(sections or {}), dict(more_secrets or {}))
        )
        outcome = await office.apply()
        assert outcome.status == 0, outcome
        self.offices.append(office)
        return office

    @property
    def data_dir(self) -> Path:
        return Path(self.env["KONSTRUCT_DATA_DIR"])

    @property
    def addresses(self) -> Json:
        addresses: Json = json.loads((self.data_dir / "stack.json").read_text())
        return addresses

    async def rows(self, query: str, *arguments: object) -> list[Json]:
        return [json.loads(row[0]) for row in await self.administrator.fetch(query, *arguments)]

    async def change(self, statement: str, *arguments: object) -> None:
        await self.administrator.execute(statement, *arguments)

    @asynccontextmanager
    async def holding(self, lock: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
        """Holds a lock of the database; gives a way to ask whether somebody waits for it."""
        connection = await asyncpg.connect(self.addresses["database_owner_url"])
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(lock)

        async def is_waited_for() -> bool:
            waiting: bool = await connection.fetchval(
                "select exists (select from pg_locks where not granted"
                " and pg_backend_pid() = any(pg_blocking_pids(pid)))"
            )
            return waiting

        try:
            yield is_waited_for
        finally:
            await transaction.rollback()
            await connection.close()

    async def start_crm(self) -> None:
        await self._crm_runs.enter_async_context(self.crm.running())

    async def stop_crm(self) -> None:
        await self._crm_runs.aclose()

    def files_that_hold(self, *needles: str) -> set[str]:
        """Of all files in the data folder, the first part of their paths."""
        found = set()
        for path in self.data_dir.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                if any(needle.encode() in content for needle in needles):
                    found.add(path.relative_to(self.data_dir).parts[0])
        return found

    async def restart(self) -> None:
        """As after a power cut: what keeps everything running is killed, and all else with it."""
        children = self.up.children()
        self.up.process.kill()
        await self.up.ended()
        for child in children:
            await ended(child)
        self.up = await Up.start_forking(self.env)
        assert await self.up.is_up(), self.up.said

    async def doctor(self) -> Outcome:
        return await konstruct("doctor", env=self.env)

    async def model_call(self, *texts: str) -> ModelCall:
        """The first call whose prompt holds all these texts, as soon as there is one."""
        number = 0
        while True:
            number += 1
            call = await self.models.wait_for_call(number, timeout=40)
            if all(text in prompt(call) for text in texts):
                return call

    async def forget(self) -> None:
        """Models that answer, none of them cooling, nobody over a limit, and no calls on record."""
        for provider in get_args(Provider):
            self.models.always(provider, Behaviour())
        self.models.calls.clear()
        async with redis.asyncio.from_url(self.addresses["redis_url"]) as client:
            await client.flushall()


def prompt(call: ModelCall) -> str:
    return "\n".join([str(call.body.get("system", "")), *(content_text(m.get("content")) for m in call.messages)])


@asynccontextmanager
async def running_town(
    folder: Path,
    outside: Mapping[str, str] = MappingProxyType({}),
    /,
    *,
    gateway_port: int,
    portal_port: int,
    ui_port: int,
    refusing_port: int,
    crm_port: int,
    **more: object,
) -> AsyncIterator[Town]:
    """``more``: settings. ``outside``: variables of the environment that are none of ours."""
    slack = SlackDouble(events_url=f"http://127.0.0.1:{gateway_port}/slack/events", echoes=True)
    slack.consent.redirect_urls = [f"http://127.0.0.1:{portal_port}/channels/slack/callback"]
    keys: dict[Provider, str] = {
        "anthropic": f"sk-ant-{secrets.token_hex(12)}",
        "openai": f"sk-{secrets.token_hex(12)}",
    }
    models = ModelDoubles(keys={provider: {key} for provider, key in keys.items()})
    shop, crm = ServiceDouble(), McpDouble(tokens={CRM_TOKEN, OTHER_CRM_TOKEN}, port=crm_port)
    graph = GraphDouble(webhook_url=f"http://127.0.0.1:{gateway_port}/whatsapp", reports=("sent", "delivered"))
    async with slack.running(), models.running(), shop.running(), graph.running(), open_website() as website:
        env = environment(
            folder / "data",
            gateway_port=gateway_port,
            portal_port=portal_port,
            temporal_ui_port=ui_port,
            slack_api_url=slack.api_url,
            slack_signing_secret=slack.signing_secret,
            slack_client_id=slack.client_id,
            slack_client_secret=slack.client_secret,
            graph_api_url=graph.api_url,
            whatsapp_app_secret=graph.app_secret,
            whatsapp_verify_token=WHATSAPP_VERIFY_TOKEN,
            anthropic_api_key=keys["anthropic"],
            anthropic_base_url=models.base_url("anthropic"),
            openai_api_key=keys["openai"],
            openai_base_url=models.base_url("openai"),
            ollama_base_url=models.base_url("ollama"),
            local_model_base_url=f"http://127.0.0.1:{refusing_port}/v1",
            transcription_model="openai/whisper-1",
            # Nobody's conversation counts as quiet here: a test that counts calls would see those of earlier ones.
            memory_quiet_seconds=86_400,
            web_allowed=f"{website.host},{shop.place},127.0.0.1:{crm.port}",
            **{"turn_budget_seconds": 12, **more},
        ) | dict(outside)
        town = Town(folder, env, slack, models, website, await Up.start_forking(env), keys, shop, crm, graph)
        try:
            await town.start_crm()
            assert await town.up.is_up(), town.up.said
            async with asyncpg.create_pool(town.addresses["database_owner_url"], min_size=0) as town.administrator:
                yield town
        finally:
            await town.stop_crm()
            await town.up.stop()
