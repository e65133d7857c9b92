"""A state of messages for replies that are being streamed, which every turn of a channel that streams looks for."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table messages
          drop constraint messages_state_check,
          add constraint messages_state_check check (state in (
            'received', 'taken', 'answered', 'refused', 'deleted', 'stopped', 'passed',
            'pending', 'sending', 'streaming', 'sent', 'failed', 'discarded'
          ))
        """
    )
    op.execute("create index messages_streaming on messages (tenant_id, conversation_id) where state = 'streaming'")
