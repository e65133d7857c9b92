"""`konstruct escalation try`: which rules would have fired in a conversation, and why."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from konstruct import manifest
from konstruct.cli.shared import open_database, read_settings, run, tenant_called
from konstruct.escalation import trying
from konstruct.escalation.trying import Tried
from konstruct.settings import Settings
from konstruct.vault import Vault
from konstruct.visible import visible

LONGEST_TEXT = 200
"""Characters of what a contact wrote."""

app = typer.Typer(no_args_is_help=True, help="Look at the rules that say when people are brought in.")


@app.callback()
def group() -> None:
    """So that its one command has a name."""


@app.command(name="try")
def try_out(
    tenant: Annotated[str, typer.Argument(help="Whose conversation.")],
    conversation: Annotated[UUID, typer.Argument(help="Its id, as handoffs and the audit trail name it.")],
    rules: Annotated[
        Path | None, typer.Option(help="A YAML file with other rules, under escalation: as an employee has them.")
    ] = None,
) -> None:
    """Say of each past turn which rule would have fired, and why. Nothing is sent, and no model is asked."""
    run(_try_out(read_settings(), tenant, conversation, rules))


async def _try_out(settings: Settings, slug: str, conversation_id: UUID, file: Path | None) -> None:
    wanted = manifest.read_rules(file) if file is not None else None
    async with open_database(settings) as database:
        tenant_id = await tenant_called(database, slug)
        async with database.tenant_session(tenant_id) as session:
            turns = await trying.try_out(session, Vault(settings.encryption_keys), conversation_id, wanted)
    for turn in turns:
        typer.echo(visible("\n".join(_lines(turn))))
    if not turns:
        typer.echo("There are no turns in it yet that were answered or handed off.")


def _lines(turn: Tried) -> list[str]:
    said = " ".join(" / ".join(turn.texts).split())
    lines = [f"{turn.began_at:%Y-%m-%d %H:%M:%S}  {said[:LONGEST_TEXT]}"]
    if not turn.is_judged:
        lines.append("  No judgement of this turn was kept: words decide here.")
    for rule in turn.rules:
        acts = "fires" if rule.rule == turn.fired else "holds" if rule.fires else "does not hold"
        lines.append(f"  {rule.rule} {acts} ({rule.action.kind})")
        lines += [f"    {'+' if looked.holds else '-'} {looked.sentence}" for looked in rule.looked]
    return [*lines, "" if turn.rules else "  The employee has no rules."]
