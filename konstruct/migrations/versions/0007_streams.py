"""An index of replies that are being streamed: every turn of a channel that can stream looks for its conversation's."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index messages_streaming on messages (tenant_id, conversation_id) where state = 'streaming'")
