"""What a connection is for, and which contacts want to hear nothing more."""

from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table connections add column functions jsonb not null default '[]'")
    op.execute("alter table contacts add column opted_out_at timestamptz")
