"""Alerts: how much was used when people were told, who has seen it, who is to be mailed. Reports: by which prices."""

from pathlib import Path

import asyncpg
from alembic import op
from sqlalchemy.util import await_only

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text()
    driver: asyncpg.Connection = op.get_bind().connection.driver_connection
    await_only(driver.execute(script))
