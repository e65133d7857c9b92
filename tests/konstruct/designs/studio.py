"""An office whose employees are worked on, with an actor for each person who does."""

from typing import Any

from konstruct.designs import drafting, publishing, starts
from konstruct.designs.drafting import Draft, Overtaken
from konstruct.designs.publishing import Published
from tests.support.office import Office

ANA, BEN = "user:ana", "user:ben"


class Studio:
    def __init__(self, office: Office) -> None:
        self.office = office

    async def hire(self, start: str = "support", **changes: Any) -> str:
        """A new employee that is a draft; its key."""
        found = starts.called(start)
        assert found is not None
        async with self.office.session() as session:
            given = {**found.content(), **changes}
            return (await drafting.create(session, self.office.tenant_id, given, actor=ANA)).key

    async def read(self, key: str = "ada") -> Draft:
        async with self.office.session() as session:
            return await drafting.read(session, key)

    async def save(
        self, key: str = "ada", *, by: str = ANA, revision: int | None = None, **changes: Any
    ) -> Draft | Overtaken:
        draft = await self.read(key)
        async with self.office.session() as session:
            return await drafting.save(
                session,
                key,
                {**draft.content, **changes},
                revision=draft.revision if revision is None else revision,
                actor=by,
            )

    async def publish(self, key: str = "ada", *, note: str = "", by: str = ANA, **seen: int) -> Published | Overtaken:
        draft = await self.read(key)
        async with self.office.session() as session:
            return await publishing.publish(
                session,
                key,
                revision=seen.get("revision", draft.revision),
                over=seen.get("over", draft.published_version),
                note=note,
                actor=by,
            )
