"""Somebody in the inbox, without a server between."""

import html
import re
from uuid import UUID

import httpx

from konstruct.desk import people
from tests.support.members import Enrolled

PART = {"hx-request": "true", "hx-request-type": "partial"}
_TOAST = re.compile(r"data-toast-text>([^<]*)<")


class Visitor:
    """Somebody with a browser, in the inbox of one conversation."""

    def __init__(self, client: httpx.AsyncClient, who: Enrolled, conversation_id: UUID) -> None:
        self.client = client
        self.who = who
        self.base = f"/t/{who.slug}/inbox/{conversation_id}"

    @property
    def key(self) -> str:
        return people.member_key(self.who.user_id)

    async def look(self, **query: str) -> str:
        page = await self.client.get(self.base, params=query)
        assert page.status_code == 200, page.text
        return page.text

    async def act(self, what: str, *, is_script: bool = False, **fields: object) -> httpx.Response:
        data = {name: str(value) for name, value in fields.items()}
        return await self.client.post(f"{self.base}/{what}", data=data, headers=PART if is_script else {})

    async def took(self, what: str, **fields: object) -> None:
        """As a form without a script: it leads back to the conversation."""
        answer = await self.act(what, is_script=False, **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, self.base), answer.text


def toast(answer: httpx.Response) -> str:
    [said] = _TOAST.findall(answer.text)
    return html.unescape(said)


def has_reply_box(page: str) -> bool:
    return 'id="reply-text"' in page or '/reply"' in page
