"""`konstruct knowledge add | upload | sync | list | search | remove`: what employees can look up, and how far it is."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from konstruct import temporal
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.db import Database
from konstruct.errors import BadInput, NotFound, Unavailable
from konstruct.knowledge import documents, search, sources
from konstruct.knowledge.search import Query
from konstruct.knowledge.sources import Kind, SourceSettings
from konstruct.settings import Settings
from konstruct.tables import KnowledgeDocument, KnowledgeSource

ACTOR = "operator"
LOOK_SECONDS = 0.5
LISTED = 200
EXCERPT = 300
FILES = "files"

app = typer.Typer(no_args_is_help=True, help="What employees can look up: documents and web sites.")

Tenant = Annotated[str, typer.Option(help="Whose knowledge.")]
Source = Annotated[str, typer.Argument(help="The source's key.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until all is read, and say how far it is.")]


@app.command()
def add(
    source: Source,
    kind: Annotated[str, typer.Argument(help="files, page or sitemap.")],
    tenant: Tenant,
    url: Annotated[str | None, typer.Argument(help="Of the page, of the sitemap, or of the site.")] = None,
    title: Annotated[str, typer.Option(help="What people are told that it is.")] = "",
    every: Annotated[str | None, typer.Option(help="How often it is looked at again, such as 1 day.")] = None,
    trusted: Annotated[bool, typer.Option("--trusted", help="Nobody but you writes what is in it.")] = False,
) -> None:
    """Make a source, or alter the one of this key."""
    run(_add(read_settings(), tenant, source, kind, url, title, every, trusted))


async def _add(
    settings: Settings,
    slug: str,
    key: str,
    kind: str,
    url: str | None,
    title: str,
    every: str | None,
    is_trusted: bool,
) -> None:
    if kind not in ("files", "page", "sitemap"):
        raise BadInput(f"{kind!r} is no kind of source: choose files, page or sitemap.")
    chosen: Kind = kind  # type: ignore[assignment]  # It is one of them.
    wanted = SourceSettings(chosen, title, url, sources.interval(every) if every else None, is_trusted)
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            changed = await sources.put(session, tenant_id, key, wanted, ACTOR)
            source_id = await sources.find_id(session, key)
        if {"url", "sync_every_seconds"} & set(changed) and kind != "files":
            await _start(settings, tenant_id, source_id)
    typer.echo(f"{key}: {', '.join(changed)} set." if changed else f"{key} is so already.")


@app.command()
def upload(
    files: Annotated[list[Path], typer.Argument(help="PDF, Word, Markdown, HTML, text or CSV.")],
    tenant: Tenant,
    source: Annotated[str, typer.Option(help="A source of kind files; made when there is none.")] = FILES,
    wait: Wait = False,
) -> None:
    """Hand in documents; one of the same name takes the place of the one before."""
    run(_upload(read_settings(), tenant, source, files, wait))


async def _upload(settings: Settings, slug: str, key: str, files: list[Path], wait: bool) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            if key == FILES:
                try:
                    await sources.called(session, key)
                except NotFound:
                    await sources.put(session, tenant_id, key, SourceSettings("files"), ACTOR)
            source_id = await sources.find_id(session, key)
        refused = 0
        for number, file in enumerate(files, 1):
            try:
                content = _content(file)
                async with database.tenant_session(tenant_id) as session:
                    put = await documents.put(session, tenant_id, key, file.name, content, actor=ACTOR)
            except BadInput as error:
                refused += 1
                typer.echo(f"{number}/{len(files)}  refused    {error}", err=True)
            else:
                typer.echo(f"{number}/{len(files)}  {put.outcome:9}  {file.name}")
        await _start(settings, tenant_id, source_id)
        if wait:
            await _wait(database, tenant_id, key)
    if refused:
        raise typer.Exit(1)


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > documents.LARGEST:
            raise BadInput(f"{file} is larger than {documents.LARGEST // 1_000_000} MB; split it into smaller files.")
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}).") from None


@app.command()
def sync(source: Source, tenant: Tenant, wait: Wait = False) -> None:
    """Look for what is new at a source now."""
    run(_sync(read_settings(), tenant, source, wait))


async def _sync(settings: Settings, slug: str, key: str, wait: bool) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            source_id = await sources.request_sync(session, tenant_id, key, ACTOR)
        await _start(settings, tenant_id, source_id)
        if wait:
            await _wait(database, tenant_id, key)
        else:
            typer.echo(f"{key} is being looked at; `konstruct knowledge list` says how far it is.")


async def _start(settings: Settings, tenant_id: UUID, source_id: UUID) -> None:
    try:
        await temporal.start_sync(await temporal.connect(settings), tenant_id, source_id)
    except Unavailable as error:
        typer.echo(f"{error} It is started when that is back.", err=True)


async def _wait(database: Database, tenant_id: UUID, key: str) -> None:
    """Says how far it is, on one line where there is a terminal; raises Exit when it came to nothing."""
    told = ""
    while True:
        async with database.tenant_session(tenant_id) as session:
            row = await sources.called(session, key)
        line = _progress(row)
        if line != told:
            typer.echo(f"\r\x1b[K{line}" if sys.stdout.isatty() else line, nl=not sys.stdout.isatty())
            told = line
        if row.status not in ("waiting", "syncing"):
            break
        await asyncio.sleep(LOOK_SECONDS)
    if sys.stdout.isatty():
        typer.echo("")
    if row.status == "failed":
        raise typer.Exit(1)


def _progress(row: KnowledgeSource) -> str:
    counts = f"{row.done} of {row.found} documents" if row.found or row.status == "syncing" else "no documents"
    reason = f"  {row.status_reason}" if row.status_reason else ""
    return f"{row.key}  {row.status}  {counts}{reason}"


@app.command(name="list")
def show(
    tenant: Tenant,
    source: Annotated[str | None, typer.Argument(help="Of this source, with its documents.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only the documents that could not be read.")] = False,
) -> None:
    """Show the sources, or one with its documents, and what became of them."""
    run(_show(read_settings(), tenant, source, failed))


async def _show(settings: Settings, slug: str, key: str | None, failed: bool) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            rows = [await sources.called(session, key)] if key else await sources.listing(session)
            held = (
                await documents.listing(session, key, state="failed" if failed else None, at_most=LISTED + 1)
                if key
                else []
            )
    for row in rows:
        when = f"  last {row.synced_at:%Y-%m-%d %H:%M} UTC" if row.synced_at else ""
        typer.echo(f"{_progress(row)}{when}  {row.url or row.kind}{'  trusted' if row.is_trusted else ''}")
    if not rows:
        typer.echo("There are none yet: `konstruct knowledge add` makes one.")
    for document in held[:LISTED]:
        typer.echo(f"  {_told(document)}")
    if len(held) > LISTED:
        typer.echo(f"  … and more; these are the first {LISTED}.")


def _told(document: KnowledgeDocument) -> str:
    what = f"{document.status:9}  {document.name}"
    return f"{what}: {document.error}" if document.error else f"{what}  {document.chunks} passages"


@app.command(name="search")
def ask(
    question: Annotated[str, typer.Argument(help="As a customer would ask it.")],
    tenant: Tenant,
    source: Annotated[list[str] | None, typer.Option(help="Only in this one; may be given again.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="The best so many.")] = 5,
) -> None:
    """Show which passages are found for a question, by their words; employees find them by meaning as well."""
    run(_ask(read_settings(), tenant, question, source, limit))


async def _ask(settings: Settings, slug: str, question: str, keys: list[str] | None, limit: int) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            found = await search.search(session, tenant_id, Query(question, source_keys=keys), at_most=limit)
    for passage in found:
        path = " > ".join([passage.title, *passage.headings])
        where = passage.link or f"{passage.source_key}{f', page {passage.page}' if passage.page else ''}"
        text = " ".join(passage.text.split())
        typer.echo(f"{passage.score:.2f}  {path}  ({where})")
        typer.echo(f"      {text[:EXCERPT]}{'…' if len(text) > EXCERPT else ''}")
    if not found:
        typer.echo("Nothing is found.")


@app.command()
def remove(
    source: Source,
    tenant: Tenant,
    document: Annotated[str | None, typer.Option(help="Only this file of it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a source with all its documents, or one file of it."""
    if not yes:
        what = f"{document} of {source}" if document else f"{source} with all its documents"
        typer.confirm(f"Remove {what}?", abort=True)
    run(_remove(read_settings(), tenant, source, document))


async def _remove(settings: Settings, slug: str, key: str, name: str | None) -> None:
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            if name:
                await documents.remove(session, tenant_id, key, name, ACTOR)
            else:
                await sources.remove(session, tenant_id, key, ACTOR)
    typer.echo("Removed.")
