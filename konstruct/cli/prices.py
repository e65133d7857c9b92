"""`konstruct prices show | update`: what models cost, as usage is priced with, and taking over newer prices."""

from importlib.metadata import distribution
from pathlib import Path
from typing import Annotated

import typer

from konstruct import price_maps
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.cli.shared import open_database, read_settings, run
from konstruct.errors import BadInput, WebError
from konstruct.models import published
from konstruct.models.prices import PAID, PriceMap
from konstruct.models.published import MOST_BYTES
from konstruct.price_maps import Difference
from konstruct.settings import Settings
from konstruct.source_ports import WebRequest
from konstruct.tables.base import utc_now
from konstruct.visible import visible

app = typer.Typer(no_args_is_help=True, help="Look at what models cost, and take over newer prices.")

BUNDLED = "bundled"
_MAP = "litellm/model_prices_and_context_window_backup.json"
_TIME_LIMIT = 60.0
_SHOWN = 40
"""Lines of a difference; more are counted."""


@app.command()
def show() -> None:
    """Say which prices count, in US dollars for a million tokens read, written, and read from the provider's cache."""
    run(_show(read_settings()))


async def _show(settings: Settings) -> None:
    async with open_database(settings) as database, database.system_session() as session:
        known, stored = await price_maps.newest(session), await price_maps.stored(session)
    typer.echo(f"Version {known.version}{'' if stored else ', which comes with this release'}.")
    for version, source, at in stored:
        typer.echo(visible(f"    {version}  stored {at:%Y-%m-%d %H:%M} UTC  from {source}"))
    for provider in PAID:
        for name, model in sorted(known.models.get(provider, {}).items()):
            prices = "  ".join(f"{price.normalize():f}" for price in (model.input, model.output, model.cached))
            typer.echo(f"{provider}/{name}  {prices}")
    for name, minute in sorted(known.speech.items()):
        typer.echo(f"openai/{name}  {minute.normalize():f} a minute of speech")
    for name, said in settings.model_prices.items():
        typer.echo(visible(f"{name}  {said}  by KONSTRUCT_MODEL_PRICES, where it is not above"))


@app.command()
def update(
    source: Annotated[
        str,
        typer.Option(
            "--from", help="A file or an https address of a price map in litellm's format; or what this release has."
        ),
    ] = BUNDLED,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where models lose their price, or one changes more than tenfold.")
    ] = False,
) -> None:
    """Price what is used from now on by a newer map, once you have seen what changes; every process knows it within a
    minute. What was used before keeps its price, and says of which version it is."""
    run(_update(read_settings(), source, yes=yes, force=force))


async def _update(settings: Settings, source: str, *, yes: bool, force: bool) -> None:
    fresh = published.read(await _content(settings, source))
    async with open_database(settings) as database:
        async with database.system_session() as session:
            before = await price_maps.newest(session)
        difference = price_maps.compare(before, fresh.called("new"))
        _tell(difference, before, fresh.passed_over)
        if difference.is_nothing:
            return
        if difference.is_suspect and not force:
            raise BadInput(
                "Nothing was changed: models lose their price, or one changes more than tenfold. Look at them, and add "
                "--force if that is right."
            )
        if not yes and not _agreed():
            typer.echo("Nothing was changed.")
            raise typer.Exit(1)
        async with database.system_session() as session:
            kept = await price_maps.keep(session, fresh, source, utc_now())
    typer.echo(f"Version {kept.version} counts from now on.")


async def _content(settings: Settings, source: str) -> bytes:
    """Never more than a price map can have."""
    if "://" in source:
        async with open_client(settings.web_allowed) as client:
            try:
                answer = await SafeWeb(client).request(
                    WebRequest("GET", source), time_limit=_TIME_LIMIT, most_bytes=MOST_BYTES, redirects=3
                )
            except WebError as error:
                raise BadInput(str(error)) from error
        if answer.status != 200:
            raise BadInput(f"The address answers with status {answer.status}.")
        return answer.content
    file = Path(str(distribution("litellm").locate_file(_MAP))) if source == BUNDLED else Path(source)
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{source} cannot be read: {error.strerror}.") from error


def _tell(difference: Difference, before: PriceMap, passed_over: list[str]) -> None:
    lines = [
        *(f"- {name}  has no price any more" for name in difference.dropped),
        *(
            f"~ {name}  {was} → {is_}{'  MORE THAN TENFOLD' if name in difference.far_off else ''}"
            for name, was, is_ in sorted(difference.changed, key=lambda each: each[0] not in difference.far_off)
        ),
        *(f"+ {name}" for name in difference.added),
    ]
    for line in lines[:_SHOWN]:
        typer.echo(line)
    if len(lines) > _SHOWN:
        typer.echo(f"… and {len(lines) - _SHOWN} more")
    if passed_over:
        typer.echo(f"Passed over, as it gives them no price: {', '.join(sorted(passed_over)[:_SHOWN])}.")
    if not lines:
        typer.echo(f"Nothing differs from version {before.version}.")


def _agreed() -> bool:
    try:
        return typer.confirm("Price what is used from now on so?")
    except typer.Abort:
        # Nobody is there to be asked.
        return False
