"""Usage tells of recordings that a model listened to."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    purposes = "('reply', 'summary', 'facts', 'judge', 'packet', 'assist', 'speech')"
    op.execute("alter table usage drop constraint usage_purpose_check")
    op.execute(f"alter table usage add constraint usage_purpose_check check (purpose in {purposes})")
