"""`konstruct audit verify | list | export`: whether the trail is as it was written, and what it says."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from operator import eq
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from konstruct import audit, tenants
from konstruct.audit import anchors, exporting, verifying
from konstruct.audit.anchors import Anchors
from konstruct.audit.signing import Signatures
from konstruct.audit.verifying import Verified
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.errors import BadInput
from konstruct.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look into the audit trail, or prove that nobody changed it.")


def _moment(written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise typer.BadParameter(f"{written!r} is no time such as 2026-11-24T18:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Tenant = Annotated[str, typer.Option(help="Whose trail.")]
Conversation = Annotated[UUID | None, typer.Option(help="Of this conversation alone.")]
Actor = Annotated[str | None, typer.Option(help="By whom, such as employee, contact, operator, runtime.")]
Action = Annotated[str | None, typer.Option(help="What, such as message.sent; all that begin so with a dot: turn.")]
Since = Annotated[datetime | None, typer.Option(parser=_moment, help="From this time on; UTC unless it says so.")]
Until = Annotated[datetime | None, typer.Option(parser=_moment, help="Before this time.")]


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="An export, instead of the database.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="This tenant alone; without it, all.")] = None,
    anchor_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--anchors", exists=True, dir_okay=False, help="Each file that anchors lie in, if not in the usual one."
        ),
    ] = None,
) -> None:
    """Prove that the trail is as it was written, or name the first link that is not; then the status is 1."""
    settings = read_settings()
    run(
        _verify_file(settings, file)
        if file
        else verify_database(settings, tenant, anchor_files or [settings.anchor_file])
    )


@dataclass
class _Tally:
    verified: list[Verified] = field(default_factory=list)
    broken: int = 0
    _looked_at: int = 0

    def progress(self, events: int) -> None:
        before, self._looked_at = self._looked_at, self._looked_at + events
        if before // 100_000 != self._looked_at // 100_000:
            typer.echo(f"… {self._looked_at:,} events", err=True)

    def tell(self, whose: str, broken: object) -> None:
        self.broken += 1
        typer.echo(f"BROKEN  {whose}: {broken}")

    def summary(self) -> str:
        events, chains, seals, anchored, unproven = (
            sum(getattr(verified, name) for verified in self.verified)
            for name in ("events", "chains", "seals", "anchored", "unproven")
        )
        return (
            f"{events:,} events in {chains:,} chains, {seals:,} seals, {anchored:,} of them borne out by anchors; "
            f"{unproven:,} events came after the last anchor and cannot be proven yet."
        )


async def verify_database(settings: Settings, slug: str | None, files: list[Path]) -> None:
    """Tells what was proven. Raises Exit with status 1 where something was not."""
    signatures, tally = Signatures(settings.encryption_keys), _Tally()
    async with open_database(settings) as database:
        only = await tenant_called(database, slug) if slug else None
        read = partial(anchors.read, files, signatures)
        # Before the tenants are looked up and their seals read: what is anchored now is there by then.
        known = read(lambda tenant_id: only in (None, tenant_id))
        wanted = {slug: only} if slug and only else await tenants.every(database)
        for name, tenant_id in wanted.items():
            again = partial(read, partial(eq, tenant_id))
            verified = await verifying.verify(database, tenant_id, known, again, tally.progress)
            tally.verified.append(verified)
            for restored in verified.restored:
                typer.echo(f"RESTORED  {name}: {restored}.")
            if verified.broken:
                tally.tell(name, verified.broken)
    _tell_strangers(known, set(wanted.values()), tally)
    if tally.broken:
        typer.echo(f"Not whole: {tally.broken} breaks. As far as it was looked at: {tally.summary()}")
        raise typer.Exit(1)
    typer.echo(f"Whole: {tally.summary()}")


def _tell_strangers(known: Anchors, there: set[UUID], tally: _Tally) -> None:
    for gone in set(known.restored) - there:
        for restored in known.restored[gone]:
            typer.echo(f"RESTORED  tenant {gone}, which is not there any more: {restored}.")
    for tenant_id in {*known.roots, *known.flaws} - there:
        flaw = known.flaws.get(tenant_id, "it is anchored, but the database has no such tenant any more")
        tally.tell(f"tenant {tenant_id}" if tenant_id else "anchors", flaw)


async def _verify_file(settings: Settings, file: Path) -> None:
    with file.open(encoding="utf-8", newline="\n") as lines:
        checked = _checked(file, lines)
    if checked.broken or checked.about is None:
        typer.echo(f"BROKEN  {file}: {checked.broken}")
        raise typer.Exit(1)
    about, keys = checked.about, settings.encryption_keys
    if keys and not Signatures(keys).knows(about):
        typer.echo(f"BROKEN  {file}: it is signed with a key that is not in KONSTRUCT_ENCRYPTION_KEYS.")
        raise typer.Exit(1)
    by = "by this deployment" if keys else f"with the key {about['key']}"
    filters = " ".join(f"{name}={value}" for name, value in about["filters"].items())
    typer.echo(
        f"Whole: {checked.events:,} events in {checked.chains:,} chains of tenant {about['tenant']}, "
        f"{f'only those with {filters}' if filters else 'all that there were'}, "
        f"exported at {about['exported_at']}, signed {by}."
    )


def _checked(file: Path, lines: Iterable[str]) -> exporting.Checked:
    try:
        return exporting.check(lines)
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is no export: it is not text in UTF-8.") from error


@app.command(name="list")
def show(
    tenant: Tenant,
    conversation: Conversation = None,
    actor: Actor = None,
    action: Action = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 100,
) -> None:
    """Show events, the newest first."""
    filters = audit.Filters(conversation, actor, action, since, until)
    run(_show(read_settings(), tenant, filters, limit))


async def _show(settings: Settings, slug: str, filters: audit.Filters, limit: int) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            events = await audit.find(session, **vars(filters), limit=limit)
    for event in events:
        where = f"conversation {event.conversation_id}  " if event.conversation_id else ""
        detail = json.dumps(event.detail, ensure_ascii=False)
        moment = event.created_at.isoformat(timespec="milliseconds")
        typer.echo(f"{moment}  {event.actor}  {event.action}  {where}{detail}")


@app.command()
def export(
    tenant: Tenant,
    conversation: Conversation = None,
    actor: Actor = None,
    action: Action = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The newest so many; without it, all.")] = None,
) -> None:
    """Write events with their proof to standard output, one JSON object a line, for `konstruct audit verify FILE`."""
    filters = audit.Filters(conversation, actor, action, since, until)
    run(_export(read_settings(), tenant, filters, limit))


async def _export(settings: Settings, slug: str, filters: audit.Filters, limit: int | None) -> None:
    signatures = Signatures(settings.encryption_keys)
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id, snapshot=True) as session:
            async for line in exporting.export(session, tenant_id, signatures, filters, limit):
                sys.stdout.write(f"{line}\n")
