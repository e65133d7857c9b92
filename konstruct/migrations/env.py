"""How Alembic runs our migrations: on the connection that ``konstruct.db.migrate`` hands over."""

from alembic import context
from sqlmodel import SQLModel

import konstruct.tables as _tables

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    compare_server_default=False,
    # What one version locks is let go before the next one begins.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()

__all__ = ["_tables"]
