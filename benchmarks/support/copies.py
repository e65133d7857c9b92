"""Many rows like those that the product wrote, by copying them inside Postgres."""

from collections.abc import Collection, Mapping
from typing import Final

import asyncpg

_COLUMNS: Final = """
select column_name, data_type from information_schema.columns
where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER' order by ordinal_position
"""


async def multiply(
    administrator: asyncpg.Connection,
    table: str,
    count: int,
    *,
    where: str,
    kept: Collection[str] = (),
    changed: Mapping[str, str] | None = None,
) -> None:
    """Copies the rows ``where`` so many times. Every id becomes another, the same wherever it stands in one copy: it is
    made of the old one and the copy's number.

    Args:
        kept: columns of ids that stay as they are.
        changed: what else a column becomes, as an expression over its row and ``copy``, the number.

    Triggers and references are not looked at; whoever calls has set ``session_replication_role``.
    """
    rows = await administrator.fetch(_COLUMNS, table)
    values = {}
    for name, kind in rows:
        is_other = kind == "uuid" and name not in kept
        values[name] = f"md5({name}::text || copy)::uuid" if is_other else f'"{name}"'
    values |= {name: expression for name, expression in (changed or {}).items() if name in values}
    columns, chosen = ", ".join(f'"{name}"' for name in values), ", ".join(values.values())
    await administrator.execute(
        f'insert into "{table}" ({columns}) select {chosen} from "{table}" cross join generate_series(1, {count}) copy '
        f"where {where}"
    )
