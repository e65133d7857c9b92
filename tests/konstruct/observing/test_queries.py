"""The queries that the document gives for one business work, and under row security."""

import re
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from tests.support.office import Office

DOCUMENT: Final = (Path(__file__).parents[3] / "docs" / "observing.md").read_text()
QUERIES: Final = re.findall(r"^```sql\n(.*?);\n```", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_there_are_some() -> None:
    assert len(QUERIES) == 5


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_a_query_of_the_document_runs(office: Office, query: str) -> None:
    async with office.session() as session:
        await session.execute(text(query))


async def test_messages_are_counted_by_channel(office: Office) -> None:
    await office.say("Hello")
    await office.say("Are you there?", root="2.0")
    async with office.session() as session:
        [row] = (await session.execute(text(QUERIES[0]))).all()
    assert row.messages == 2
