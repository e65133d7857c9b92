"""A worker for what agents do: conversations change owners, and nobody is shown anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from activities.attending import Attending
from activities.changing_owner import ChangingOwner
from activities.failures import FailureInterceptor
from konstruct import temporal
from konstruct.settings import Settings
from tests.support.office import Office
from tests.support.workers import polling
from workflows.conversation import ConversationWorkflow
from workflows.handoffs import HandoffWorkflow
from workflows.sandbox import RUNNER


@asynccontextmanager
async def working(settings: Settings, office: Office) -> AsyncIterator[Client]:
    """What other tests left in the queue is not its business: it has one of its own."""
    client = await temporal.connect(settings, lazy=False)
    changing = ChangingOwner(office.database, office.vault, client)
    attending = Attending(office.database, office.vault, {}, None, client)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(temporal, "CONVERSATIONS", f"conversations-{uuid4()}")
        async with polling(
            Worker(
                client,
                task_queue=temporal.CONVERSATIONS,
                workflows=[ConversationWorkflow, HandoffWorkflow],
                activities=[changing.change_owner, attending.attend_handoff],
                workflow_runner=RUNNER,
                interceptors=[FailureInterceptor()],
            )
        ):
            yield client
