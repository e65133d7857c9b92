"""`konstruct deploy status | promote | ramp | rollback | drain | retire`: a release beside the one before it, without
breaking a conversation."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import typer
from temporalio.client import Client

from konstruct import deploys, temporal
from konstruct.cli.shared import read_settings, run
from konstruct.deploys import Build, Builds
from konstruct.errors import Conflict, Unavailable
from konstruct.temporal_tls import why_not

app = typer.Typer(no_args_is_help=True, help="Move conversations from one build of the workers to another, and back.")

Within = Annotated[float, typer.Option(help="Seconds to wait for workers that were started just now.")]
BuildId = Annotated[str, typer.Argument(help="Its KONSTRUCT_BUILD_ID.")]


@app.command()
def status() -> None:
    """Say which builds there are, who works for each, and which one conversations still need."""
    run(_with_client(_show))


async def _show(client: Client) -> None:
    _say_all(await deploys.look(client))


@app.command()
def promote(
    build: Annotated[str, typer.Argument(help="Its KONSTRUCT_BUILD_ID; left out: workers without one.")] = "",
    within: Within = 60.0,
) -> None:
    """Give a build all that is new; conversations go over to it when their turn is over."""

    async def do(client: Client) -> None:
        await deploys.promote(client, build, timedelta(seconds=within))
        _say_all(await deploys.look(client))

    run(_with_client(do))


@app.command()
def ramp(
    build: BuildId,
    percent: Annotated[float, typer.Argument(help="How much of what is new; 0 ends the ramp.", min=0, max=100)],
    within: Within = 60.0,
) -> None:
    """Give a build a part of what is new, and of the conversations the same part when their turn is over."""

    async def do(client: Client) -> None:
        await deploys.ramp(client, build, percent, timedelta(seconds=within))
        _say_all(await deploys.look(client))

    run(_with_client(do))


@app.command()
def rollback() -> None:
    """End a ramp; or, where there is none, give all that is new back to the build that was current before."""
    run(_with_client(_roll_back))


async def _roll_back(client: Client) -> None:
    builds = await deploys.look(client)
    if builds.ramping is not None:
        await deploys.ramp(client, builds.ramping.id, 0)
    elif builds.before is not None:
        await deploys.promote(client, builds.before.id)
    else:
        raise Conflict("There is no build to go back to: start workers of the one before, and promote it.")
    _say_all(await deploys.look(client))


@app.command()
def drain(
    build: BuildId,
    within: Annotated[float, typer.Option(help="Seconds to wait for conversations in the middle of a turn.")] = 300.0,
    gone: Annotated[
        bool, typer.Option("--gone", help="No worker of it will come back: move its conversations as they stand.")
    ] = False,
) -> None:
    """Have conversations leave a build, and wait until none needs it: then its workers can be ended."""

    def tell(left: int) -> None:
        if left:
            typer.echo(f"Conversations on {build}: {left:,}.")

    async def do(client: Client) -> None:
        left = await deploys.drain(client, build, timedelta(seconds=within), is_gone=gone, tell=tell)
        if left:
            raise Conflict(f"Conversations still need {build} ({left:,}): keep its workers, and run this again.")
        typer.echo(f"No conversation needs {build} any more: its workers can be ended.")

    run(_with_client(do))


@app.command()
def retire(build: BuildId) -> None:
    """Forget a build that no conversation needs and whose workers ended some minutes ago."""

    async def do(client: Client) -> None:
        await deploys.forget(client, build)
        typer.echo(f"{build} is forgotten.")

    run(_with_client(do))


async def _with_client(do: Callable[[Client], Awaitable[None]]) -> None:
    settings = read_settings()
    try:
        client = await temporal.connect(settings, lazy=False)
    except RuntimeError as error:
        raise Unavailable(f"Temporal cannot be reached: {why_not(error, settings)}") from error
    await do(client)


def _say_all(builds: Builds) -> None:
    for build in builds.known:
        typer.echo(_line(build))
    if builds.workers_without or builds.in_background_without:
        typer.echo(f"(no build)  {_at_work(builds.workers_without, builds.in_background_without)}")
    if builds.current is None:
        typer.echo("No build is current: what is new is for workers of no build.")
    for build in builds.abandoned:
        typer.echo(f"Nobody works for {build.id}, which conversations need: `konstruct deploy drain {build.id}`.")


def _line(build: Build) -> str:
    share = f" {build.share:g} %" if build.state in ("current", "ramping") else ""
    at_work = _at_work(build.workers, build.in_background)
    return f"{build.id}  {build.state}{share}  {at_work}  conversations: {build.conversations:,}"


def _at_work(workers: int, in_background: int) -> str:
    return f"workers: {workers:,}  in the background: {in_background:,}"
