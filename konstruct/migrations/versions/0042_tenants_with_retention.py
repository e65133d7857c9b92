"""Whoever looks for the tenants that keep things for a while only reads those alone, and not every tenant there is."""

from pathlib import Path

import asyncpg
from alembic import op
from sqlalchemy.util import await_only

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text()
    driver: asyncpg.Connection = op.get_bind().connection.driver_connection
    await_only(driver.execute(script))
