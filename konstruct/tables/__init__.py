"""The database's tables, one family a file. No behaviour here; who may see what is in the migrations."""

from konstruct.tables.accounts import (
    AccountToken,
    Invitation,
    Membership,
    QueuedMail,
    User,
    UserDevice,
    UserSession,
)
from konstruct.tables.audit import AuditEvent, AuditHead, AuditSeal, AuditSealLeaf
from konstruct.tables.billing import (
    BillingAccount,
    BudgetHold,
    BudgetMonth,
    MeteredUsage,
    PlanMonth,
    PlanRow,
    PriceMap,
    ThresholdAlert,
)
from konstruct.tables.connecting import SlackAttempt, WhatsAppDraft
from konstruct.tables.conversations import (
    Contact,
    ContactAlias,
    ContactKey,
    ContactWord,
    Conversation,
    EarlyChange,
    Message,
)
from konstruct.tables.employees import Employee, EmployeeBinding, EmployeeDraft, EmployeePicture, EmployeeVersion
from konstruct.tables.factors import Authenticator, LinkedAccount, Passkey, RecoveryCode
from konstruct.tables.files import File, FileRemoval
from konstruct.tables.handoffs import CannedReply, Consult, Handoff, HandoffEntry, InboxMark, Judgement
from konstruct.tables.knowledge import (
    KnowledgeChunk,
    KnowledgeContent,
    KnowledgeDocument,
    KnowledgeSource,
    KnowledgeVector,
)
from konstruct.tables.memory import ConversationSummary, Memory, MemoryVector
from konstruct.tables.ratings import Rating
from konstruct.tables.records import QuarantinedEvent, Restoration, Usage
from konstruct.tables.rehearsals import Rehearsal, RehearsedStep
from konstruct.tables.tenants import ApiKey, Connection, ModelKey, RetentionRun, Tenant, TenantKey
from konstruct.tables.tools import Approval, Step, Tool, ToolCall
from konstruct.tables.under_way import AuditCheck, ContactErasure

__all__ = [
    "AccountToken",
    "ApiKey",
    "Approval",
    "AuditCheck",
    "AuditEvent",
    "AuditHead",
    "AuditSeal",
    "AuditSealLeaf",
    "Authenticator",
    "BillingAccount",
    "BudgetHold",
    "BudgetMonth",
    "CannedReply",
    "Connection",
    "Consult",
    "Contact",
    "ContactAlias",
    "ContactErasure",
    "ContactKey",
    "ContactWord",
    "Conversation",
    "ConversationSummary",
    "EarlyChange",
    "Employee",
    "EmployeeBinding",
    "EmployeeDraft",
    "EmployeePicture",
    "EmployeeVersion",
    "File",
    "FileRemoval",
    "Handoff",
    "HandoffEntry",
    "InboxMark",
    "Invitation",
    "Judgement",
    "KnowledgeChunk",
    "KnowledgeContent",
    "KnowledgeDocument",
    "KnowledgeSource",
    "KnowledgeVector",
    "LinkedAccount",
    "Membership",
    "Memory",
    "MemoryVector",
    "Message",
    "MeteredUsage",
    "ModelKey",
    "Passkey",
    "PlanMonth",
    "PlanRow",
    "PriceMap",
    "QuarantinedEvent",
    "QueuedMail",
    "Rating",
    "RecoveryCode",
    "Rehearsal",
    "RehearsedStep",
    "Restoration",
    "RetentionRun",
    "SlackAttempt",
    "Step",
    "Tenant",
    "TenantKey",
    "ThresholdAlert",
    "Tool",
    "ToolCall",
    "Usage",
    "User",
    "UserDevice",
    "UserSession",
    "WhatsAppDraft",
]
