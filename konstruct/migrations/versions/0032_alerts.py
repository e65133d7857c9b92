"""Alerts: how much was used when people were told, and who of them has seen it."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "alter table threshold_alerts add column used numeric(20, 10) not null default 0,"
        " add column seen_by uuid[] not null default '{}'"
    )
