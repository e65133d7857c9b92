"""Documents that are made while they go out: no tenant, and nobody who reads slowly, keeps others from theirs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from konstruct import handing_out, sharing
from konstruct.errors import TooMany
from konstruct.identity import new_id


async def pages() -> AsyncIterator[str]:
    for _ in range(3):
        yield "a" * 40_000


async def read(pieces: AsyncIterator[bytes]) -> int:
    return sum([len(each) async for each in pieces])


async def test_a_tenant_has_so_many_at_once_and_others_have_theirs() -> None:
    tenant_id = new_id()
    begun = [handing_out.begun(tenant_id, pages()) for _ in range(handing_out.OF_ONE)]
    for each in begun:
        await anext(each)
    with pytest.raises(TooMany):
        handing_out.begun(tenant_id, pages())
    assert await read(handing_out.begun(new_id(), pages())) == 120_000
    assert await read(begun[0]) == 80_000
    assert await read(handing_out.begun(tenant_id, pages())) == 120_000
    for each in begun[1:]:
        await read(each)


async def test_who_reads_no_further_gives_the_room_to_others() -> None:
    tenant_id, never = new_id(), asyncio.Event()

    async def stuck() -> None:
        async for _ in handing_out.begun(tenant_id, pages(), slowest=timedelta(0)):
            await never.wait()

    readers = [asyncio.create_task(stuck()) for _ in range(handing_out.OF_ONE)]
    await asyncio.wait(readers)
    assert all(each.cancelled() for each in readers)
    assert await read(handing_out.begun(tenant_id, pages())) == 120_000


class TestSharing:
    async def work(self, tenant_id: UUID, begun: asyncio.Event, over: asyncio.Event) -> None:
        async with sharing.one_of_few(tenant_id):
            begun.set()
            await over.wait()

    async def test_of_one_tenant_s_work_so_much_is_done_at_once_and_others_do_theirs(self) -> None:
        tenant_id, over = new_id(), asyncio.Event()
        begun = [asyncio.Event() for _ in range(sharing.AT_ONCE)]
        tasks = [asyncio.create_task(self.work(tenant_id, each, over)) for each in begun]
        for each in begun:
            await each.wait()
        with pytest.raises(TooMany, match="Try again in a moment"):
            async with sharing.one_of_few(tenant_id, longest_wait=timedelta(milliseconds=1)):
                pass
        async with sharing.one_of_few(new_id(), longest_wait=timedelta(milliseconds=1)):
            pass
        over.set()
        await asyncio.gather(*tasks)
        async with sharing.one_of_few(tenant_id):
            pass
