"""The audit trail: what was done, by whom, written in the transaction of what it tells of, and provably unchanged.

Events are chained for each conversation, chains are sealed for each tenant, seals are anchored outside the database.
"""

from konstruct.audit.finding import Filters, find
from konstruct.audit.recording import record

__all__ = ["Filters", "find", "record"]
