"""Builds of the workers, side by side: which there are, who works for each, and which conversations need it.

Where there is only one at a time, nobody names it (``KONSTRUCT_BUILD_ID``), and there is nothing to see here.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.deployment.v1 import WorkerDeploymentInfo, WorkerDeploymentVersion
from temporalio.api.enums.v1 import RoutingConfigUpdateState, VersioningBehavior, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    DeleteWorkerDeploymentVersionRequest,
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from konstruct import temporal
from konstruct.contracts import conversation
from konstruct.errors import Conflict, NotFound, Unavailable

DEPLOYMENT: Final = "konstruct"
"""All workers of a namespace, of whatever build."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)
AT_ONCE: Final = 20
"""Conversations that are told something at the same time."""
TIME_LIMIT: Final = timedelta(seconds=10)
FIRST_LOOK, LONGEST_LOOK = timedelta(milliseconds=500), timedelta(seconds=15)
"""How long whoever waits for conversations to move waits before the next look."""

_SPREADING: Final = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS

State = Literal["new", "current", "ramping", "old"]


@dataclass(frozen=True)
class Build:
    id: str
    state: State
    """``new``: nothing has been its own so far. ``old``: what is new goes elsewhere."""
    share: float
    """How much of what is new goes to it, in percent."""
    workers: int
    """That take on conversations right now."""
    conversations: int
    """That go on with it, and with no other, until their turn is over."""
    last_current_at: datetime | None
    in_background: int = 0
    """Workers that do what no reply waits for."""


@dataclass(frozen=True)
class Builds:
    known: tuple[Build, ...]
    workers_without: int
    """That take on conversations right now and are of no build; with none current, what is new is theirs."""
    in_background_without: int = 0

    @property
    def current(self) -> Build | None:
        return next((build for build in self.known if build.state == "current"), None)

    @property
    def ramping(self) -> Build | None:
        return next((build for build in self.known if build.state == "ramping"), None)

    @property
    def for_what_is_new(self) -> int:
        """How many workers take it on."""
        return self.current.workers if self.current else self.workers_without

    @property
    def abandoned(self) -> list[Build]:
        """Conversations wait for these, and nobody works for them."""
        return [each for each in self.known if each.state == "old" and each.conversations and not each.workers]

    @property
    def before(self) -> Build | None:
        """What was current last, and can be again: somebody works for it."""
        earlier = [each for each in self.known if each.state == "old" and each.last_current_at and each.workers]
        return max(earlier, key=lambda each: each.last_current_at or NEVER, default=None)

    def called(self, build_id: str) -> Build:
        """Raises NotFound where no worker of it has been seen."""
        for build in self.known:
            if build.id == build_id:
                return build
        raise NotFound(
            f"No worker of the build {build_id!r} has been seen: start it with KONSTRUCT_BUILD_ID={build_id}."
        )


async def look(client: Client) -> Builds:
    """Raises Unavailable when Temporal does not answer."""
    with _asking():
        workers = await _workers(client, temporal.CONVERSATIONS)
        in_background = await _workers(client, temporal.MEMORY)
        info = await _described(client)
        known: list[Build] = []
        if info is not None:
            known = [await _build(client, info, each, workers, in_background) for each in info.version_summaries]
    return Builds(tuple(known), workers[""], in_background[""])


async def _workers(client: Client, task_queue: str) -> Counter[str]:
    """How many of each build take on what is in this queue; nothing where they say none."""
    pollers = await temporal.pollers(client, task_queue)
    return Counter(build_id for build_id, _ in {(_build_of(poller), poller.identity) for poller in pollers})


def _build_of(poller: PollerInfo) -> str:
    """Nothing where it says none."""
    options = poller.deployment_options
    is_of_one = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return options.build_id if is_of_one else ""


async def _described(client: Client) -> WorkerDeploymentInfo | None:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=DEPLOYMENT)
    try:
        answer = await client.workflow_service.describe_worker_deployment(request, retry=True, timeout=TIME_LIMIT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return answer.worker_deployment_info


async def _build(
    client: Client,
    info: WorkerDeploymentInfo,
    summary: WorkerDeploymentInfo.WorkerDeploymentVersionSummary,
    workers: Counter[str],
    in_background: Counter[str],
) -> Build:
    build_id, routing = summary.deployment_version.build_id, info.routing_config
    ramped = routing.ramping_version_percentage
    state: State = "old" if summary.HasField("first_activation_time") else "new"
    share = 0.0
    if routing.current_deployment_version.build_id == build_id:
        state, share = "current", 100.0 - ramped
    elif routing.ramping_deployment_version.build_id == build_id:
        state, share = "ramping", ramped
    needing = (await client.count_workflows(_needing(build_id), rpc_timeout=TIME_LIMIT)).count
    last_current_at = _moment(summary.last_current_time)
    return Build(build_id, state, share, workers[build_id], needing, last_current_at, in_background[build_id])


def _moment(timestamp: Timestamp) -> datetime | None:
    return timestamp.ToDatetime(UTC) if timestamp.seconds else None


def _needing(build_id: str) -> str:
    return (
        f"TemporalWorkerDeploymentVersion = '{DEPLOYMENT}:{build_id}'"
        " AND TemporalWorkflowVersioningBehavior = 'Pinned' AND ExecutionStatus = 'Running'"
    )


async def promote(client: Client, build_id: str, within: timedelta = timedelta(0)) -> None:
    """What is new is this build's from now on, and what goes on is when its turn is over.

    ``build_id``: nothing for workers that are of no build; ``within``: for so long it is waited for workers that were
    started a moment ago.

    Raises:
        NotFound: no worker of it has been seen.
        Conflict: not all of its workers run.
        Unavailable: Temporal does not answer.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build_id, identity=client.identity
    )
    ask = client.workflow_service.set_worker_deployment_current_version
    await _patiently(client, within, build_id, lambda: ask(request, retry=True, timeout=TIME_LIMIT))


async def ramp(client: Client, build_id: str, percent: float, within: timedelta = timedelta(0)) -> None:
    """So much of what is new is this build's from now on; with nothing the ramp is over. Takes and raises the same."""
    request = SetWorkerDeploymentRampingVersionRequest(
        namespace=client.namespace,
        deployment_name=DEPLOYMENT,
        build_id=build_id if percent else "",
        percentage=percent,
        identity=client.identity,
    )
    ask = client.workflow_service.set_worker_deployment_ramping_version
    await _patiently(client, within, build_id, lambda: ask(request, retry=True, timeout=TIME_LIMIT))


async def _patiently(client: Client, within: timedelta, build_id: str, ask: Callable[[], Awaitable[object]]) -> None:
    deadline = asyncio.get_running_loop().time() + within.total_seconds()
    while True:
        try:
            with _asking(build_id):
                await ask()
        except (Conflict, NotFound, Unavailable):
            # Temporal also says that it is busy.
            if asyncio.get_running_loop().time() > deadline:
                raise
        else:
            return await _heard_everywhere(client)
        await asyncio.sleep(FIRST_LOOK.total_seconds())


async def _heard_everywhere(client: Client) -> None:
    """Waits until each queue goes by what was just said; what comes in before goes where it went before."""
    with _asking(), suppress(TimeoutError):
        async with asyncio.timeout(TIME_LIMIT.total_seconds()):
            while True:
                info = await _described(client)
                if info is None or info.routing_config_update_state != _SPREADING:
                    return
                await asyncio.sleep(FIRST_LOOK.total_seconds())


async def nudge(client: Client, build_id: str) -> int:
    """Has conversations that lie idle on a build see that there is another; how many are on it."""

    async def nudge_one(found: WorkflowExecution) -> None:
        await client.get_workflow_handle(found.id).signal(conversation.MOVE_ON, rpc_timeout=TIME_LIMIT)

    return await _for_each(client, build_id, nudge_one)


async def move(client: Client, build_id: str) -> int:
    """Has conversations of a build go on with the current one from where they stand; how many those are.

    For a build that nobody works for any more. It is no harm where somebody does: each build replays what earlier ones
    began, as the recorded histories show.
    """
    # Until its run is over; the next one is its build's like any other.
    override = VersioningOverride(behavior=VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE, auto_upgrade=True)

    async def move_one(found: WorkflowExecution) -> None:
        await client.workflow_service.update_workflow_execution_options(
            UpdateWorkflowExecutionOptionsRequest(
                namespace=client.namespace,
                workflow_execution=Execution(workflow_id=found.id, run_id=found.run_id),
                workflow_execution_options=WorkflowExecutionOptions(versioning_override=override),
                update_mask=FieldMask(paths=["versioning_override"]),
                identity=client.identity,
            ),
            retry=True,
            timeout=TIME_LIMIT,
        )

    return await _for_each(client, build_id, move_one)


async def _for_each(client: Client, build_id: str, what: Callable[[WorkflowExecution], Awaitable[None]]) -> int:
    async def do(found: WorkflowExecution) -> None:
        try:
            await what(found)
        except RPCError as error:
            # It has ended, or goes on in another run, since it was listed.
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    with _asking():
        found = [each async for each in client.list_workflows(_needing(build_id), rpc_timeout=TIME_LIMIT)]
        for first in range(0, len(found), AT_ONCE):
            await asyncio.gather(*map(do, found[first : first + AT_ONCE]))
    return len(found)


async def drain(client: Client, build_id: str, within: timedelta, *, is_gone: bool, tell: Callable[[int], None]) -> int:
    """Waits until no conversation needs a build any more, or the time is over; how many still do.

    ``is_gone``: nobody will work for it again, so that they are moved as they stand; ``tell``: how many there are, each
    time that they have become fewer. Raises Conflict where they have nowhere to go, and NotFound, and Unavailable.
    """
    builds, told, pause = await look(client), -1, FIRST_LOOK
    _be_elsewhere(builds, build_id)
    deadline = asyncio.get_running_loop().time() + within.total_seconds()
    while True:
        # Those that are in the middle of a turn move when it is over, and need no word.
        left = await (move if is_gone or not builds.called(build_id).workers else nudge)(client, build_id)
        if left != told:
            tell(left)
        told = left
        if not left or asyncio.get_running_loop().time() > deadline:
            return left
        await asyncio.sleep(pause.total_seconds())
        pause, builds = min(2 * pause, LONGEST_LOOK), await look(client)


def _be_elsewhere(builds: Builds, build_id: str) -> None:
    if builds.called(build_id).state in ("current", "ramping"):
        raise Conflict(f"{build_id} takes what is new: promote another build first, or end the ramp.")
    if not builds.for_what_is_new:
        raise Conflict("Nobody works on what is new: these conversations would have nowhere to go.")


async def forget(client: Client, build_id: str) -> None:
    """Removes a build that nothing needs from Temporal's list.

    Raises:
        NotFound: there is none.
        Conflict: conversations need it, or somebody worked for it a moment ago.
        Unavailable: Temporal does not answer.
    """
    builds = await look(client)
    _be_elsewhere(builds, build_id)
    if needing := builds.called(build_id).conversations:
        raise Conflict(f"Conversations need {build_id} ({needing:,}): run `konstruct deploy drain {build_id}`.")
    with _asking(build_id):
        await client.workflow_service.delete_worker_deployment_version(
            DeleteWorkerDeploymentVersionRequest(
                namespace=client.namespace,
                deployment_version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
                # Temporal looks only every few minutes whether somebody needs it, and this was looked at just now.
                skip_drainage=True,
                identity=client.identity,
            ),
            retry=True,
            timeout=TIME_LIMIT,
        )


async def rescue(client: Client) -> dict[str, int]:
    """Moves the conversations of builds that nobody has worked for since a minute; how many, by build.

    Raises Unavailable when Temporal does not answer.
    """
    builds = await look(client)
    if not builds.for_what_is_new:
        return {}
    return {build.id: await move(client, build.id) for build in builds.abandoned}


@contextmanager
def _asking(build_id: str = "") -> Iterator[None]:
    """Says what Temporal's errors mean here."""
    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotFound(f"Temporal knows of no build {build_id!r}: has a worker of it been started?") from error
        if error.status is RPCStatusCode.FAILED_PRECONDITION:
            raise Conflict(f"Temporal refuses this for {build_id}: {error.message}.") from error
        raise Unavailable(f"Temporal does not do it now: {error.message}.") from error
    except RuntimeError as error:
        # A client that could not connect raises it.
        raise Unavailable("Temporal does not answer.") from error
