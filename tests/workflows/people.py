"""People who take conversations over, played by a test: a database that judges who has what, and a room to work in."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeat
from konstruct.contracts.conversation import FetchFilesRequest
from konstruct.contracts.handoffs import (
    Action,
    AgentAct,
    AssistRequest,
    HandOff,
    HandoffStanding,
    HandoffState,
    OwnerChange,
    OwnerState,
)

WISH = HandOff("billing", "The invoice is disputed.", "accounts", "high")


@dataclass
class People:
    now: OwnerState = field(default_factory=OwnerState)
    """Who has the conversation, whatever its workflow knows of it."""
    asked: list[OwnerChange] = field(default_factory=list)
    changed: asyncio.Queue[OwnerState] = field(default_factory=asyncio.Queue)
    failing: int = 0
    """So many changes fail yet, and are to be tried again."""
    refused: set[Action] = field(default_factory=set)
    held: dict[Action, asyncio.Event] = field(default_factory=dict)
    """What came of these changes is told once the event is set."""
    attended: asyncio.Queue[HandoffState] = field(default_factory=asyncio.Queue)
    standings: deque[HandoffStanding] = field(default_factory=lambda: deque([HandoffStanding(is_over=False)]))
    """How a handoff stands each time somebody attends to it; the last one for ever."""
    during_attending: Callable[[], Awaitable[None]] | None = None
    attending_fails: int = 0
    helped: list[UUID] = field(default_factory=list)
    helping: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    hold_helping: asyncio.Event | None = None
    helping_fails: bool = False
    given_up: list[UUID] = field(default_factory=list)
    packed: list[UUID] = field(default_factory=list)
    given_up_files: list[UUID] = field(default_factory=list)
    """Of these conversations."""

    def stand(self, standing: HandoffStanding) -> None:
        self.standings = deque([standing])

    @activity.defn(name="change_owner")
    async def change_owner(self, change: OwnerChange) -> OwnerState:
        self.asked.append(change)
        if self.failing:
            self.failing -= 1
            raise ApplicationError("The database does not answer.")
        is_refused = change.action in self.refused
        judged = self.now if is_refused else self._judged(change)
        self.now = replace(judged, answer_id=None)
        await self.changed.put(judged)
        if change.action in self.held:
            await self.held[change.action].wait()
        if is_refused:
            raise _refused("There is no such conversation.", "NotFound")
        return judged

    def _judged(self, change: OwnerChange) -> OwnerState:
        match change:
            case OwnerChange(action="hand_off"):
                return self.now if self.now.owner != "employee" else self._owned(None, uuid4())
            case OwnerChange(action="resume", resume=resume) if resume is not None:
                return self.now if self.now.owner == "employee" else self._back(uuid4() if resume.at_once else None)
            case OwnerChange(action="claim", act=act) if act is not None:
                return self._claimed(act)
            case OwnerChange(act=act) if act is not None:
                if self.now.agent != act.by:
                    raise _refused(f"{self.now.agent} has it: only they can do that.", "Conflict")
                if change.action == "transfer":
                    return self._owned(act.to, act.handoff_id)
                if change.action == "release":
                    return self._owned(None, act.handoff_id)
                return self._back(act.note_id if act.at_once else None)
        raise _refused("A change of owner says who wants what.", "BadInput")

    def _claimed(self, act: AgentAct) -> OwnerState:
        if self.now.owner == "agent" and self.now.agent != act.by:
            raise _refused(f"{self.now.agent} has it already.", "Conflict")
        return self.now if self.now.agent == act.by else self._owned(act.by, self.now.handoff_id or uuid4())

    def _owned(self, agent: str | None, handoff_id: UUID | None) -> OwnerState:
        return OwnerState("agent" if agent else "queue", self.now.epoch + 1, handoff_id, agent)

    def _back(self, answer_id: UUID | None) -> OwnerState:
        return OwnerState("employee", self.now.epoch + 1, answer_id=answer_id)

    @activity.defn(name="attend_handoff")
    async def attend_handoff(self, state: HandoffState) -> HandoffStanding:
        if self.attending_fails:
            self.attending_fails -= 1
            raise ApplicationError("The channel is away.")
        standing = self.standings.popleft() if len(self.standings) > 1 else self.standings[0]
        if self.during_attending is not None:
            await self.during_attending()
        await self.attended.put(state)
        return standing

    @activity.defn(name="assist_agent")
    async def assist_agent(self, request: AssistRequest) -> None:
        await self._help(request.entry_id, self.helped)

    @activity.defn(name="give_up_assisting")
    async def give_up_assisting(self, request: AssistRequest) -> None:
        self.given_up.append(request.entry_id)

    @activity.defn(name="give_up_files")
    async def give_up_files(self, request: FetchFilesRequest) -> None:
        self.given_up_files.append(request.conversation_id)

    @activity.defn(name="pack_handoff")
    async def pack_handoff(self, state: HandoffState) -> None:
        await self._help(state.handoff_id, self.packed)

    async def _help(self, what: UUID, done: list[UUID]) -> None:
        done.append(what)
        await self.helping.put(what)
        if self.hold_helping is not None:
            async with heartbeat():
                await self.hold_helping.wait()
        if self.helping_fails:
            raise ApplicationError("No model answered.")

    @property
    def activities(self) -> list[Callable[..., Awaitable[object]]]:
        return [
            self.change_owner,
            self.attend_handoff,
            self.assist_agent,
            self.give_up_assisting,
            self.give_up_files,
            self.pack_handoff,
        ]


def _refused(sentence: str, kind: str) -> ApplicationError:
    return ApplicationError(sentence, type=kind, non_retryable=True)
