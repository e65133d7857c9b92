"""Who looks at what, as it is kept in Redis."""

import asyncio
from datetime import timedelta

import pytest

from konstruct.adapters import presence
from konstruct.adapters.presence import RedisPresence
from konstruct.adapters.redis import Circuit, connect
from konstruct.identity import new_id
from tests.support.ears import SOON


async def test_presence_goes_by_itself(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = connect(redis_url)
    noted, tenant_id, conversation_id, user_id = RedisPresence(redis, Circuit()), new_id(), new_id(), new_id()
    await noted.note(tenant_id, conversation_id, user_id, "Ana | Duarte", is_writing=True)
    [there] = (await noted.seen(tenant_id))[conversation_id]
    assert (there.name, there.user_id, there.is_writing) == ("Ana | Duarte", user_id, True)
    assert await noted.seen(new_id()) == {}

    monkeypatch.setattr(presence, "LASTS", timedelta(milliseconds=1))
    await noted.note(tenant_id, conversation_id, user_id, "Ana")
    async with asyncio.timeout(SOON):
        while await noted.seen(tenant_id):
            pass
    await redis.aclose()
