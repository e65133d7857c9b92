"""What Meta tells of a business account: whether it may still send, and how its numbers and templates fare."""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.whatsapp_shapes import Change, Value
from konstruct import audit, connections
from konstruct.connections import ConnectionRef

FIELDS: Final = ("account_update", "phone_number_quality_update", "message_template_status_update")
ACTOR: Final = "whatsapp"

_GONE: Final = {
    "ACCOUNT_DELETED": "The business account was deleted.",
    "PARTNER_REMOVED": "The business took its account back from the Meta app.",
    "PARTNER_APP_UNINSTALLED": "The business removed the Meta app.",
}
_NO_ANSWERS: Final = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"


async def note(session: AsyncSession, connection: ConnectionRef, change: Change, at: datetime | None) -> None:
    """Marks a connection over which nothing can be sent any more, or can again; the rest is on record alone."""
    value = change.value
    if change.field == "account_update" and (trouble := _trouble(value)) is not None:
        status, reason = trouble
        await connections.mark(
            session, connection.connection_id, status=status, reason=reason, actor=ACTOR, happened_at=at
        )
    elif change.field == "account_update" and value.ban_info.waba_ban_state == "REINSTATE":
        await connections.reinstate(session, connection.connection_id, actor=ACTOR)
    else:
        audit.record(
            session,
            tenant_id=connection.tenant_id,
            actor=ACTOR,
            action=f"connection.{change.field}",
            connection_id=str(connection.connection_id),
            event=value.event[:60],
            limit=value.current_limit[:60],
            template=value.message_template_name[:512],
        )


def _trouble(value: Value) -> tuple[str, str] | None:
    """The status of a connection that cannot be used, and the sentence why."""
    if value.event in _GONE:
        return "uninstalled", _GONE[value.event]
    if value.ban_info.waba_ban_state == "DISABLE":
        return "restricted", "Meta has disabled the business account."
    # Who may begin no conversation may still answer.
    if any(restriction.restriction_type == _NO_ANSWERS for restriction in value.restriction_info):
        return "restricted", "Meta has restricted the business account: it may not answer its customers."
    return None
