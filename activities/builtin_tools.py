"""What the built-in tools do."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from temporalio.client import Client

from activities.librarian import PASSAGES, Librarian
from activities.locating import Locator
from activities.sending_files import SendingFiles
from konstruct import audit, consults, conversations, employees, memory, temporal
from konstruct.db import Database
from konstruct.errors import ToolFailed
from konstruct.file_ports import FileStore
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Wish
from konstruct.memory import Question, asking
from konstruct.ports import Cooldowns, Embedders
from konstruct.tables import Tenant, ToolCall
from konstruct.tables.base import utc_now
from konstruct.tools import builtin, earlier, results
from konstruct.tools.calls import Outcome
from konstruct.vault import Vault

FOUND_TO_FORGET: Final = 10
NOTHING_FOUND: Final = (
    "The documents of the business say nothing about this. Say that you do not know; do not make something up."
)
PEOPLES: Final = "Not sent: people of the team have had the conversation since."
ASKED: Final = (
    "{} was asked, and may take hours. The answer will come here as a note of the system. Tell the person you talk with"
    " that you asked, promise nothing, and go on with what you can do without it."
)
HANDED_OFF: Final = "The conversation was handed to the people of the business, who are being asked."


@dataclass(frozen=True)
class Given:
    call: ToolCall
    arguments: Mapping[str, JsonValue]

    def text(self, name: str) -> str:
        return str(self.arguments[name])


class BuiltinTools:
    def __init__(
        self,
        database: Database,
        vault: Vault,
        embedders: Embedders,
        cooldowns: Cooldowns,
        client: Client,
        files: FileStore | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._client = client
        self._locator = Locator(embedders, cooldowns)
        self._librarian = Librarian(database, self._locator)
        self._sending = SendingFiles(database, vault, files)
        self._uses: dict[str, Callable[[Given], Awaitable[Outcome]]] = {
            builtin.SEARCH_KNOWLEDGE: self._search_knowledge,
            builtin.REMEMBER: self._remember,
            builtin.FORGET: self._forget,
            builtin.CURRENT_TIME: self._current_time,
            builtin.HAND_OFF: self._hand_off,
            builtin.ASK_COLLEAGUE: self._ask_colleague,
            builtin.SEND_FILE: self._send_file,
            builtin.READ_RESULT: self._read_result,
            builtin.SEND_REPLY: self._send_reply,
        }

    async def use(self, name: str, given: Given) -> Outcome:
        """Raises ToolFailed with a sentence for the model."""
        return await self._uses[name](given)

    async def _search_knowledge(self, given: Given) -> Outcome:
        call = given.call
        async with self._database.tenant_session(call.tenant_id) as session:
            version = await employees.serving(session, call.conversation_id)
            # Each search has numbers of its own, so that those of several searches name one passage each.
            first = 1 + PASSAGES * await earlier.searches_before(session, call, call.tool)
        found = await self._librarian.search(version, given.text("query"))
        if not found:
            return Outcome("done", NOTHING_FOUND)
        sources = [
            {"number": number, "title": each.title, "link": each.link, "text": each.text}
            for number, each in enumerate(found, first)
        ]
        shown = "\n\n".join(
            f"[{number}] {' > '.join([each.title, *each.headings])}\n{each.text}"
            for number, each in enumerate(found, first)
        )
        return Outcome("done", shown, not all(each.is_trusted for each in found), sources)

    async def _remember(self, given: Given) -> Outcome:
        call = given.call
        async with self._database.tenant_session(call.tenant_id) as session:
            kept = await asking.keep_fact(
                session, self._vault, call.conversation_id, call.turn_id, call.contact_id, given.text("fact")
            )
            self._record(session, call, "memory.learned", facts=kept)
        return Outcome("done", "It is remembered." if kept else "It was known already, or may not be remembered.")

    async def _forget(self, given: Given) -> Outcome:
        ids, about = given.arguments.get("ids"), given.arguments.get("about")
        if isinstance(ids, list) and ids:
            return await self._forget_these(given.call, [_id(each) for each in ids])
        if isinstance(about, str):
            return await self._find_to_forget(given.call, about)
        raise ToolFailed('Say what is to be forgotten: "about" to look for it, or "ids" of what was found.')

    async def _find_to_forget(self, call: ToolCall, about: str) -> Outcome:
        async with self._database.tenant_session(call.tenant_id) as session:
            names = await memory.known_models(session, call.tenant_id, call.contact_id)
        question = Question(call.contact_id, about, await self._locator.locate(about, names))
        async with self._database.tenant_session(call.tenant_id) as session:
            found = await memory.recall(session, self._vault, call.tenant_id, question, at_most=FOUND_TO_FORGET)
            is_untrusted = await conversations.is_untrusted(session, [each.message_id for each in found])
        if not found:
            return Outcome("done", "Nothing is remembered of this.")
        lines = (f"{each.memory_id} ({each.happened_at:%Y-%m-%d}): {' '.join(each.text.split())}" for each in found)
        return Outcome("done", "\n".join(["Remembered, each with its id:", *lines]), is_untrusted)

    async def _forget_these(self, call: ToolCall, ids: list[UUID]) -> Outcome:
        async with self._database.tenant_session(call.tenant_id) as session:
            count, messages = await asking.forget_memories(session, call.contact_id, ids)
            self._record(session, call, "memory.forgotten", messages=messages)
        return Outcome("done", f"{count} of {len(ids)} are forgotten.")

    async def _current_time(self, given: Given) -> Outcome:
        async with self._database.tenant_session(given.call.tenant_id) as session:
            zone = (await session.execute(select(col(Tenant.time_zone)))).scalar_one()
        now = utc_now().astimezone(ZoneInfo(zone))
        return Outcome("done", f"{now:%A, %Y-%m-%d %H:%M} ({zone}, UTC{now:%z})")

    async def _hand_off(self, given: Given) -> Outcome:
        call = given.call
        wish = Wish("employee", "employee", given.text("reason"))
        async with self._database.tenant_session(call.tenant_id) as session:
            await owning.hand_off(session, self._vault, call.conversation_id, wish)
        return Outcome("done", HANDED_OFF)

    async def _ask_colleague(self, given: Given) -> Outcome:
        call = given.call
        async with self._database.tenant_session(call.tenant_id) as session:
            asked = await consults.ask(session, self._vault, call, given.text("colleague"), given.text("question"))
        await temporal.mention_consult(self._client, call.tenant_id, asked.consult_id)
        return Outcome("done", ASKED.format(asked.colleague_name))

    async def _send_file(self, given: Given) -> Outcome:
        return await self._sending.make_ready(given.call, given.arguments)

    async def _read_result(self, given: Given) -> Outcome:
        call, start = given.call, given.arguments["from"]
        async with self._database.tenant_session(call.tenant_id) as session:
            whole = await earlier.whole_result(session, self._vault, call.conversation_id, _id(given.text("result")))
        if whole is None:
            raise ToolFailed("There is no such result in this conversation that goes on.")
        return Outcome("done", results.part(whole.text, int(str(start))), whole.is_untrusted)

    async def _send_reply(self, given: Given) -> Outcome:
        """It goes out in the turn that the note of the yes begins, and under that turn's fence."""
        async with self._database.tenant_session(given.call.tenant_id) as session:
            conversation = await conversations.lock(session, given.call.conversation_id)
        if conversation.owner != "employee":
            raise ToolFailed(PEOPLES)
        return Outcome("done", "It is sent.")

    def _record(self, session: AsyncSession, call: ToolCall, action: str, **rows: list[UUID]) -> None:
        detail: dict[str, Any] = {name: [str(row) for row in ids] for name, ids in rows.items()}
        audit.record(
            session,
            tenant_id=call.tenant_id,
            conversation_id=call.conversation_id,
            actor="employee",
            action=action,
            subject_id=call.contact_id,
            call_id=str(call.id),
            **detail,
        )


def _id(value: JsonValue) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise ToolFailed(f"There is no id {str(value)[:60]!r}: take it from what was found.") from None
