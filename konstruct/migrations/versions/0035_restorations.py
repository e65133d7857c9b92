"""That the database was put back to an earlier moment, and whether what has happened since is fenced off."""

from pathlib import Path

import asyncpg
from alembic import op
from sqlalchemy.util import await_only

revision = "0035"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text()
    driver: asyncpg.Connection = op.get_bind().connection.driver_connection
    await_only(driver.execute(script))
