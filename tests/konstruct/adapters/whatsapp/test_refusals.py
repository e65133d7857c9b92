"""What Graph refuses, and answers that are broken: each is a ChannelError that says whether to try again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.embedded.loopback import free_port
from konstruct.errors import (
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    SendUncertain,
)
from konstruct.ports import ChannelAccount, Messenger, Thread
from tests.konstruct.adapters.test_slack import always
from tests.konstruct.adapters.whatsapp.place import account_of, outgoing
from tests.support.graph_double import GraphDouble, Number, Person
from tests.support.http import serve


async def test_who_has_no_whatsapp_is_not_tried_again(
    messenger: Messenger, account: ChannelAccount, thread: Thread, sheena: Person
) -> None:
    sheena.is_reachable = False
    with pytest.raises(ChannelRefused) as refusal:
        await messenger.send(account, thread, outgoing())
    assert refusal.value.code == "131026"


@pytest.mark.parametrize(
    ("attribute", "state", "code"),
    [
        ("token_state", "expired", "190"),
        ("token_state", "unpermitted", "10"),
        ("state", "unregistered", "133010"),
        ("state", "locked", "131031"),
        ("state", "restricted", "368"),
    ],
)
async def test_a_number_that_may_no_longer_be_used_means_a_dead_connection(
    messenger: Messenger,
    account: ChannelAccount,
    thread: Thread,
    number: Number,
    attribute: str,
    state: str,
    code: str,
) -> None:
    setattr(number, attribute, state)
    with pytest.raises(ConnectionDead) as death:
        await messenger.send(account, thread, outgoing())
    assert death.value.code == code
    assert number.token not in str(death.value)


async def test_another_numbers_token_is_of_no_use(
    graph: GraphDouble, messenger: Messenger, thread: Thread, account: ChannelAccount
) -> None:
    with pytest.raises(ConnectionDead):
        await messenger.send(account_of(graph.add_number()), thread, outgoing())
    account.secrets.clear()
    with pytest.raises(ConnectionDead, match="no access token"):
        await messenger.send(account, thread, outgoing())


async def test_each_refusal_in_a_row_for_one_person_makes_the_wait_longer(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    async def wait() -> timedelta:
        with pytest.raises(ChannelRateLimited) as limit:
            await messenger.send(account, thread, outgoing())
        return limit.value.retry_after

    graph.world.burst = 2
    for _ in range(2):
        await messenger.send(account, thread, outgoing())
    assert [await wait() for _ in range(7)] == [timedelta(seconds=4**power) for power in (1, 2, 3, 4, 5)] + [
        timedelta(hours=1)
    ] * 2
    graph.pass_time(timedelta(seconds=13))
    await messenger.send(account, thread, outgoing())
    graph.world.burst = 1
    assert await wait() == timedelta(seconds=4)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ({"code": 130429}, 5),
        ({"code": 80007}, 60),
        ({"code": 131048}, 3600),
        ({"code": 4, "retry_after": 17}, 17),
        ({"status": 429}, 30),
    ],
)
async def test_too_much_says_when_to_come_again_and_is_not_repeated(
    graph: GraphDouble,
    messenger: Messenger,
    account: ChannelAccount,
    thread: Thread,
    fault: dict[str, Any],
    seconds: int,
) -> None:
    graph.fail_next("messages", **fault)
    with pytest.raises(ChannelRateLimited) as limit:
        await messenger.send(account, thread, outgoing())
    assert limit.value.retry_after == timedelta(seconds=seconds)
    assert len(graph.calls_of("messages")) == 1


@pytest.mark.parametrize("code", [1, 2, 131000, 131016, 131057])
async def test_what_meta_says_went_wrong_there_was_not_sent(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, code: int
) -> None:
    graph.fail_next("messages", code=code)
    with pytest.raises(ChannelUnavailable):
        await messenger.send(account, thread, outgoing())


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("failure", ["reset", "server error", "hang", "garbage"])
async def test_a_send_without_an_answer_is_uncertain_and_cannot_be_looked_up(
    graph: GraphDouble,
    session: aiohttp.ClientSession,
    account: ChannelAccount,
    thread: Thread,
    failure: str,
    accepted: bool,
) -> None:
    messenger = WhatsAppMessenger(session, graph.api_url, time_limit=timedelta(seconds=1))
    message = outgoing()
    if failure == "reset":
        graph.drop_next("messages", accepted=accepted)
    elif failure == "hang":
        graph.hold_next("messages", accepted=accepted)
    else:
        graph.fail_next("messages", status=502 if failure == "server error" else 200, accepted=accepted)
    with pytest.raises(SendUncertain):
        await messenger.send(account, thread, message)
    assert [sent.opaque for sent in graph.sent()] == [str(message.message_id)] * accepted
    assert await messenger.find(account, thread, message) is None


async def test_a_request_that_never_left_certainly_was_not_sent(
    session: aiohttp.ClientSession, account: ChannelAccount, thread: Thread
) -> None:
    for url in (f"http://127.0.0.1:{free_port()}/v25.0/", "http://nowhere.invalid/v25.0/", "not an address"):
        with pytest.raises(ChannelUnavailable, match="cannot be reached"):
            await WhatsAppMessenger(session, url).send(account, thread, outgoing())


Answer = Callable[[], web.Response]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: web.Response(text="<html>login</html>", content_type="text/html"), SendUncertain),
        (lambda: web.Response(text='{"messages": [', content_type="application/json"), SendUncertain),
        (lambda: web.Response(body=b"\xff\xfe", content_type="application/json"), SendUncertain),
        (lambda: web.json_response([1]), SendUncertain),
        (lambda: web.json_response({}), SendUncertain),
        (lambda: web.json_response({"messages": []}), SendUncertain),
        (lambda: web.json_response({"messages": [{"id": 5}]}), SendUncertain),
        (lambda: web.Response(body=b" " * (2**20 + 1), content_type="application/json"), SendUncertain),
        (lambda: web.json_response({"error": {"code": 190}}), ConnectionDead),
        (lambda: web.json_response({"error": {"code": 999999}}, status=503), SendUncertain),
        (lambda: web.json_response({"error": {"code": 999999, "is_transient": True}}, status=400), ChannelUnavailable),
        (lambda: web.json_response({"error": {"code": 999999}}, status=400), ChannelRefused),
        (lambda: web.Response(text="forbidden", status=403), ChannelUnavailable),
        (lambda: web.Response(status=302, headers={"Location": "https://evil.example/"}), ChannelUnavailable),
    ],
)
async def test_an_answer_that_is_not_metas_own_is_a_channel_error(
    session: aiohttp.ClientSession, account: ChannelAccount, thread: Thread, answer: Answer, error: type[ChannelError]
) -> None:
    async with serve(always(answer)) as url:
        with pytest.raises(error) as raised:
            await WhatsAppMessenger(session, f"{url}/v25.0/").send(account, thread, outgoing())
    assert type(raised.value) is error
