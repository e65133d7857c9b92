"""`konstruct keys rotate | check`: putting all that is sealed under the newest key, and whether older ones may go."""

import typer

from konstruct import rekeying
from konstruct.cli.shared import open_database, read_settings, run
from konstruct.errors import Misconfigured
from konstruct.rekeying import Rekeyed
from konstruct.settings import Settings
from konstruct.vault import Vault

app = typer.Typer(no_args_is_help=True, help="Replace the keys that everything is sealed with.")

_SHOWN = 20


@app.command()
def rotate() -> None:
    """Seal everything anew, so that it opens with the first of KONSTRUCT_ENCRYPTION_KEYS alone.

    The product may run meanwhile, once every process has the new key first and the old ones behind it. What is cut off
    goes on where it was when it is run again; running it once more does no harm.
    """
    run(_rotate(read_settings()))


async def _rotate(settings: Settings) -> None:
    vault, done = Vault(settings.encryption_keys), Rekeyed()
    async with open_database(settings) as database:
        done = await rekeying.rekey(database, vault, typer.echo)
        typer.echo(f"Sealed anew: {done.values} values.")
        for where in done.unopened[:_SHOWN]:
            typer.echo(f"No key opens {where}: it was left as it is.")
        if len(done.unopened) > _SHOWN:
            typer.echo(f"… and {len(done.unopened) - _SHOWN} more that no key opens")
    await _check(settings)


@app.command()
def check() -> None:
    """Say whether everything opens with the first of KONSTRUCT_ENCRYPTION_KEYS alone; then the status is 0."""
    run(_check(read_settings()))


async def _check(settings: Settings) -> None:
    newest_alone = Vault(settings.encryption_keys[:1])
    async with open_database(settings) as database:
        left = await rekeying.left(database, newest_alone)
    if left:
        told = ", ".join(f"{count} in {table}" for table, count in sorted(left.items()))
        raise Misconfigured(
            f"Not everything opens with the newest key alone: {told}. Have every process run with it first in "
            "KONSTRUCT_ENCRYPTION_KEYS, then run `konstruct keys rotate` again."
        )
    typer.echo("Everything in the database opens with the newest key alone.")
    if len(settings.encryption_keys) > 1:
        typer.echo(
            "Keep the older keys behind it for what Temporal still holds, and for `konstruct audit verify`: see "
            "docs/operating.md."
        )
