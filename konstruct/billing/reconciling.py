"""Whose subscriptions are compared with what Stripe says, though nothing was told of them: a webhook may get lost."""

from uuid import UUID

from sqlalchemy import text as sql

from konstruct.db import Database


async def tenants(database: Database, after: UUID | None, at_most: int) -> list[UUID]:
    """Customers of Stripe's, by their ids; the page behind ``after``."""
    query = sql("select tenants_with_customers(:after, :at_most)")
    async with database.system_session() as session:
        return list(await session.scalars(query, {"after": after, "at_most": at_most}))
