"""Files that lie with messages of contacts, as if they had been fetched."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from konstruct.file_ports import FileStore
from konstruct.files import keeping
from konstruct.files.keeping import CONTENT, Content, Task
from konstruct.inbox import Accepted
from konstruct.messages import SentFile
from tests.support.office import Office


@dataclass(frozen=True)
class Sent:
    """What a contact sends; ``error``: why it cannot be opened, ``is_waiting``: nobody has looked at it yet."""

    name: str
    media_type: str = ""
    content: bytes = b""
    text: str = ""
    error: str = ""
    is_waiting: bool = False


async def say_with(
    office: Office, store: FileStore, *sent: Sent, text: str = "See here", contact: str = "U1", root: str = "1.0"
) -> tuple[Accepted, list[UUID]]:
    """One message with these files; gives their ids in their order."""
    files = tuple(SentFile(each.name, each.media_type, len(each.content), "there") for each in sent)
    asked = await office.say(text, root=root, contact=contact, files=files)
    async with office.session() as session:
        tasks = await keeping.waiting(session, office.vault, asked.conversation_id)
    by_name = {task.sent.name: task for task in tasks}
    for each in sent:
        if not each.is_waiting:
            await _settle(office, store, by_name[each.name], each)
    return asked, [by_name[each.name].file_id for each in sent]


async def _settle(office: Office, store: FileStore, task: Task, sent: Sent) -> None:
    if sent.error:
        async with office.session() as session:
            await keeping.refuse(session, task.file_id, sent.error)
        return
    await store.put(task.store_key, task.cipher.seal_bytes(CONTENT, task.file_id, sent.content))
    digest = task.cipher.fingerprint(hashlib.sha256(sent.content).hexdigest())
    async with office.session() as session:
        content = Content(sent.media_type or "application/octet-stream", len(sent.content), sent.text)
        await keeping.keep(session, task, digest, content)
