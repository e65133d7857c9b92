"""The database's tables, one family a file. No behaviour here; who may see what is in the migrations."""

from konstruct.tables.conversations import Contact, ContactKey, Conversation, Message
from konstruct.tables.employees import Employee, EmployeeBinding, EmployeeVersion
from konstruct.tables.memory import ConversationSummary, Memory, MemoryVector
from konstruct.tables.records import AuditEvent, QuarantinedEvent, Usage
from konstruct.tables.tenants import Connection, Tenant, TenantKey

__all__ = [
    "AuditEvent",
    "Connection",
    "Contact",
    "ContactKey",
    "Conversation",
    "ConversationSummary",
    "Employee",
    "EmployeeBinding",
    "EmployeeVersion",
    "Memory",
    "MemoryVector",
    "Message",
    "QuarantinedEvent",
    "Tenant",
    "TenantKey",
    "Usage",
]
