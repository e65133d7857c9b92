"""Carrying out what was put down for a worker, as the worker does it: erasures, and checks of the trail."""

from pathlib import Path
from uuid import UUID

from sqlmodel import col, select
from temporalio.testing import ActivityEnvironment

from activities.checking import Checking
from activities.erasing import Erasing
from konstruct.audit.signing import Signatures
from konstruct.contracts.upkeep import Asked
from konstruct.ports import Windows
from konstruct.tables import AuditCheck, ContactErasure
from tests.support.doubles import KeptWindows
from tests.support.keys import ENCRYPTION_KEY
from tests.support.office import Office


async def erase_what_waits(office: Office, windows: Windows | None = None) -> list[UUID]:
    """Those of this tenant that nobody has finished."""
    async with office.session() as session:
        query = select(col(ContactErasure.id)).where(col(ContactErasure.ended_at).is_(None))
        waiting = list(await session.scalars(query))
    erasing = Erasing(office.database, office.vault, windows or KeptWindows())
    for erasure_id in waiting:
        await ActivityEnvironment().run(erasing.erase_contact, Asked(office.tenant_id, erasure_id))
    return waiting


async def check_what_waits(office: Office, anchor_file: Path) -> list[UUID]:
    async with office.session() as session:
        waiting = list(await session.scalars(select(col(AuditCheck.id)).where(col(AuditCheck.ended_at).is_(None))))
    checking = Checking(office.database, Signatures((ENCRYPTION_KEY,)), anchor_file)
    for check_id in waiting:
        await ActivityEnvironment().run(checking.check_trail, Asked(office.tenant_id, check_id))
    return waiting
