"""Tenants, employees, conversations and the record, under row security from the first table on."""

from pathlib import Path

import asyncpg
from alembic import op
from sqlalchemy.util import await_only

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text()
    driver: asyncpg.Connection = op.get_bind().connection.driver_connection
    await_only(driver.execute(script))
