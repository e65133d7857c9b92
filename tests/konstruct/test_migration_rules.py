"""A migration leaves room for the release that goes on beside it; whoever writes one is told before it lands."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.script import Script

from tests.konstruct.migration_rules import FIRST_JUDGED, judge, migrations, sql

INDEX, CHECK = "require-concurrent-index-creation", "constraint-missing-not-valid"
UNINDEX, UNCHECK = "require-concurrent-index-deletion", "ban-drop-constraint"
LANDED = {
    "0002": {INDEX},
    "0003": {
        *(INDEX, UNINDEX, CHECK, UNCHECK),
        *("adding-not-nullable-field", "disallowed-unique-constraint", "adding-foreign-key-constraint"),
    },
    "0004": {INDEX, "adding-not-nullable-field", "ban-drop-not-null"},
    "0005": {INDEX},
    "0006": {CHECK, UNCHECK},
    "0007": {INDEX, CHECK, UNCHECK},
    "0008": {INDEX, CHECK, UNCHECK},
    "0011": {CHECK, UNCHECK},
    "0015": {CHECK, UNCHECK},
    "0016": {INDEX, CHECK, UNCHECK},
    "0017": {INDEX},
    "0019": {INDEX, "adding-not-nullable-field"},
    "0020": {INDEX},
    "0021": {INDEX},
    "0022": {INDEX},
    "0023": {INDEX},
    "0024": {INDEX, UNINDEX},
    "0025": {INDEX},
    "0026": {CHECK, UNCHECK},
    "0029": {"adding-required-field", "ban-drop-column"},
    "0031": {INDEX},
    "0032": {INDEX, UNINDEX},
    "0036": {INDEX, UNINDEX},
    "0037": {INDEX, CHECK, UNCHECK},
}
"""What those do that landed before there were rules. It grows no more."""
ALL = migrations()
JUDGED = [migration for migration in ALL if migration.revision >= FIRST_JUDGED]


def in_transaction(migration: Script) -> bool:
    return "autocommit_block" not in Path(migration.path).read_text()


def unexplained(statements: str) -> list[str]:
    """Rules that are passed over without a sentence about why on the line before."""
    lines = ["", *statements.splitlines()]
    return [
        line for before, line in pairwise(lines) if "squawk-ignore" in line and not re.match(r"\s*-- .+\.$", before)
    ]


def test_a_new_migration_leaves_room_for_what_goes_on() -> None:
    for migration in JUDGED:
        found = judge(sql(migration), in_transaction=in_transaction(migration))
        assert found == [], migration.revision


def test_nothing_of_a_new_migration_escapes_the_linter() -> None:
    for migration in JUDGED:
        script = Path(migration.path)
        if script.with_suffix(".sql").exists():
            assert "op.execute" not in script.read_text(), migration.revision
        assert unexplained(sql(migration)) == [], migration.revision


def test_what_is_passed_over_says_why() -> None:
    drop = "alter table messages drop column detail;"
    ignored = f"-- squawk-ignore ban-drop-column\n{drop}"
    explained = f"-- Since 0041 nobody reads it.\n{ignored}"
    assert judge(explained) == judge(ignored) == []
    assert unexplained(explained) == []
    assert unexplained(ignored) == ["-- squawk-ignore ban-drop-column"]


def test_what_landed_before_there_were_rules_is_known() -> None:
    older = [migration for migration in ALL if migration.revision < FIRST_JUDGED]
    found = {migration.revision: {each.rule for each in judge(sql(migration))} for migration in older}
    assert {revision: rules for revision, rules in found.items() if rules} == LANDED


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("create index messages_by_state on messages (state);", INDEX),
        ("drop index messages_open;", UNINDEX),
        ("alter table messages add constraint short check (length(body) < 9);", CHECK),
        ("alter table messages add column kind text not null;", "adding-required-field"),
        ("alter table messages alter column seq type bigint;", "changing-column-type"),
        ("alter table messages rename column seq to place;", "renaming-column"),
        ("alter table messages drop column detail;", "ban-drop-column"),
        ("drop table messages;", "ban-drop-table"),
        ("alter table messages alter column body set not null;", "adding-not-nullable-field"),
        (
            "alter table messages add constraint of foreign key (tenant_id) references tenants (id);",
            "adding-foreign-key-constraint",
        ),
    ],
)
def test_what_would_hold_others_up_or_break_them_is_found(statement: str, rule: str) -> None:
    assert rule in {each.rule for each in judge(statement)}


@pytest.mark.parametrize(
    ("statements", "in_transaction"),
    [
        ("create table notes (id uuid primary key, kind text not null); create index notes_by on notes (kind);", True),
        (
            "alter table messages add column kind text; create function f() returns int language sql as 'select 1';",
            True,
        ),
        ("alter table messages add constraint short check (length(body) < 9) not valid;", True),
        ("create index concurrently messages_by_state on messages (state);", False),
    ],
    ids=["a new table", "a column that may be empty", "a check of what is new", "an index beside all else"],
)
def test_what_leaves_room_is_let_through(statements: str, *, in_transaction: bool) -> None:
    assert judge(statements, in_transaction=in_transaction) == []
