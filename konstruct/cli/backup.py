"""`konstruct backup | restore`: a copy of all that is kept, and putting it back without doing anything again."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.service import RPCError

from konstruct import temporal
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.audit.signing import Signatures
from konstruct.cli.audit import verify_database
from konstruct.cli.shared import open_database, read_settings, run
from konstruct.db import Database
from konstruct.embedded import postgres
from konstruct.errors import BadInput, Misconfigured, Unavailable
from konstruct.recovery import anchoring, copying, fencing, programs, putting_back, restorations
from konstruct.recovery.looking import Look
from konstruct.settings import Settings, needed
from konstruct.tables import Restoration
from konstruct.vault import Vault

Folder = Annotated[Path, typer.Argument(file_okay=False, help="A folder of its own, which is made.")]


def back_up(folder: Folder) -> None:
    """Copy the database, the files that people sent and the anchors of the audit trail; the product may run meanwhile.

    Keys are not in it: keep KONSTRUCT_ENCRYPTION_KEYS elsewhere, since nothing in a backup can be read without them.
    """
    run(_back_up(read_settings(), folder.absolute()))


async def _back_up(settings: Settings, folder: Path) -> None:
    began = time.monotonic()
    manifest = await copying.back_up(settings, _owner_url(settings), folder, _programs(), typer.echo)
    size = sum(part.size for part in manifest.parts)
    typer.echo(f"{folder}: {size / 1e6:,.1f} MB in {time.monotonic() - began:.1f} s, as of {manifest.of_moment}.")
    typer.echo(f"It needs the key {manifest.keys[0]}, which is not in it." if manifest.keys else "Nothing is sealed.")


def restore(
    folder: Annotated[
        Path | None, typer.Argument(exists=True, file_okay=False, help="A backup; without it, see below.")
    ] = None,
    replace: Annotated[bool, typer.Option(help="Give up what is in the database for the backup.")] = False,
    of: Annotated[
        str | None,
        typer.Option(help="The database was put back by other means, to this moment: 2026-11-29T18:00:00Z."),
    ] = None,
) -> None:
    """Put a backup back. What was under way in it is settled by what the channels say, and nothing is sent again.

    Everything of the product must be stopped, and Temporal must run, be it an empty one. One that was cut off goes on
    without a folder.
    """
    if folder is not None and of is not None:
        raise typer.BadParameter("Either a backup is put back, or it was put back by other means.")
    run(_restore(read_settings(), folder, replace, _moment(of) if of else None))


def _moment(written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise typer.BadParameter(f"{written!r} is no time such as 2026-11-29T18:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _restore(settings: Settings, folder: Path | None, replaces: bool, of_moment: datetime | None) -> None:
    began, owner_url = time.monotonic(), _owner_url(settings)
    client = await _reached(settings)
    if folder is not None:
        await putting_back.put_back(settings, owner_url, folder, _programs(), typer.echo, replaces=replaces)
    else:
        async with programs.connected(owner_url, needs_all_rows=False) as connection:
            await putting_back.require_nobody_at_work(connection)
    async with open_database(settings) as database:
        restoration = await restorations.unfenced(database)
        if restoration is None and of_moment is not None:
            restoration = await restorations.begin(database, of_moment)
        if restoration is None:
            raise BadInput("Nothing is to be settled: name a backup, or with --of the moment that it was put back to.")
        await _settle(settings, database, client, restoration)
    typer.echo(f"Restored in {time.monotonic() - began:.1f} s. Start the product again.")
    await verify_database(settings, None, [settings.anchor_file])


async def _settle(settings: Settings, database: Database, client: Client, restoration: Restoration) -> None:
    ended = await temporal.end_all(client, "The database was restored.")
    typer.echo(f"{ended} workflows of later were ended; what is still to be done begins anew.")
    async with open_session() as http:
        fenced = await fencing.fence(
            database, Vault(settings.encryption_keys), restoration, _look(settings, http), typer.echo
        )
    typer.echo(
        f"Of {fenced.conversations} conversations that were under way: {fenced.arrived} messages had arrived,"
        f" {fenced.unsent} are not sent any more, {fenced.found} answers of later were found in the channel;"
        f" {fenced.answered} questions were answered so, {fenced.offered} wait for people to look at them,"
        f" {fenced.failed} are too old for that."
    )
    await anchoring.tell(database, Signatures(settings.encryption_keys), settings.anchor_file, restoration)
    await restorations.finish(database)


def _look(settings: Settings, http: aiohttp.ClientSession) -> Look:
    slack = SlackMessenger(http, settings.slack_api_url)
    return Look(
        {
            "slack": slack,
            "whatsapp": WhatsAppMessenger(http, settings.graph_api_url),
            "console": ConsoleMessenger(),
            "rehearsal": ConsoleMessenger(),
        },
        {"slack": slack},
    )


async def _reached(settings: Settings) -> Client:
    """Before anything is done: what runs there of later has to be ended before the product starts again."""
    try:
        return await temporal.connect(settings, lazy=False)
    except (RPCError, RuntimeError) as error:
        raise Unavailable(
            "Temporal does not answer. Start it first, an empty one where it was lost: what runs there is ended."
        ) from error


def _owner_url(settings: Settings) -> SecretStr:
    return settings.database_owner_url or needed(settings.database_url, "KONSTRUCT_DATABASE_URL")


def _programs() -> Iterable[Path]:
    try:
        return [postgres.binaries(), *programs.on_path()]
    except Misconfigured:
        return programs.on_path()
