"""What agents write in the portal."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table handoff_entries drop constraint handoff_entries_source_check")
    op.execute(
        "alter table handoff_entries add constraint handoff_entries_source_check"
        " check (source in ('slack', 'api', 'portal'))"
    )
