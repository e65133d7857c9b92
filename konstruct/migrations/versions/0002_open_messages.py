"""An index of what is open in a conversation, when a send began, and a sweep that leaves a busy worker its time."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table messages add column sending_at timestamptz")
    op.execute(
        "create index messages_open on messages (tenant_id, conversation_id)"
        " where state in ('received', 'taken', 'pending')"
    )
    # A worker with much to do takes a message after some seconds. To signal it once more would only add to that.
    op.execute(
        """
        create or replace function unsettled_messages(at_most integer)
          returns table (tenant_id uuid, conversation_id uuid, message_id uuid, purpose text)
          language sql stable security definer set search_path = pg_catalog, pg_temp
          as $$
            select m.tenant_id, m.conversation_id, m.id, m.purpose
            from public.messages m
            where (m.swept_at is null or m.swept_at < now() - interval '10 minutes')
              and ((m.state = 'received' and m.created_at < now() - interval '20 seconds')
                or (m.state = 'pending' and m.purpose = 'notice' and m.created_at < now() - interval '20 seconds')
                or (m.state = 'taken' and m.created_at < now() - interval '10 minutes'))
            order by m.created_at
            limit at_most
          $$
        """
    )
