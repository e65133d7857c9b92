"""Files that people sent over WhatsApp: fetched whole, from Meta alone, and never more than was asked for."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from konstruct.adapters.whatsapp_files import WhatsAppFiles, metas_own
from konstruct.errors import ChannelError, ChannelRateLimited, ChannelRefused, ChannelUnavailable, ConnectionDead
from konstruct.file_ports import FileSource
from konstruct.ports import ChannelAccount
from tests.konstruct.adapters.whatsapp.place import account_of
from tests.support.graph_double import GraphDouble, Media, Number, Person
from tests.support.http import serve

CONTENT = bytes(range(256)) * 1_000


@pytest.fixture
async def media(graph: GraphDouble, number: Number, sheena: Person) -> Media:
    _, media = await graph.person_sends_file(number, sheena, "image", "image/jpeg", CONTENT, caption="my wheel")
    return media


async def fetched(files: FileSource, account: ChannelAccount, reference: str, most_bytes: int = len(CONTENT)) -> bytes:
    return b"".join([piece async for piece in files.fetch(account, reference, most_bytes=most_bytes)])


async def test_a_file_arrives_as_it_was_sent(
    graph: GraphDouble, files: FileSource, account: ChannelAccount, media: Media, number: Number
) -> None:
    assert await fetched(files, account, media.id) == CONTENT
    [info] = graph.calls_of("info")
    assert info.body == {"phone_number_id": number.phone_number_id}


async def test_what_is_announced_as_too_large_is_not_begun(
    graph: GraphDouble, files: FileSource, account: ChannelAccount, media: Media
) -> None:
    with pytest.raises(ChannelRefused) as refusal:
        await fetched(files, account, media.id, len(CONTENT) - 1)
    assert (refusal.value.code, graph.calls_of("download")) == ("too_big", [])


async def test_another_number_gets_no_file(
    graph: GraphDouble, files: FileSource, account: ChannelAccount, media: Media
) -> None:
    with pytest.raises(ChannelRefused) as refusal:
        await fetched(files, account_of(graph.add_number()), media.id)
    assert refusal.value.code == "media_gone"


@pytest.mark.parametrize("reference", ["", "../me", "1?fields=x", "1/2", "ä", "1" * 129])
async def test_what_is_no_id_is_not_asked_for(
    graph: GraphDouble, files: FileSource, account: ChannelAccount, reference: str
) -> None:
    with pytest.raises(ChannelRefused):
        await fetched(files, account, reference)
    assert graph.calls == []


async def test_an_address_that_is_no_longer_good_is_asked_for_once_more(
    graph: GraphDouble, files: FileSource, account: ChannelAccount, media: Media
) -> None:
    graph.fail_next("download", status=404)
    assert await fetched(files, account, media.id) == CONTENT
    assert len(graph.calls_of("info")) == 2
    graph.fail_next("download", status=404)
    graph.fail_next("download", status=410)
    with pytest.raises(ChannelRefused) as refusal:
        await fetched(files, account, media.id)
    assert refusal.value.code == "media_gone"


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, ConnectionDead), (429, ChannelRateLimited), (500, ChannelUnavailable), (403, ChannelRefused)],
)
async def test_a_download_that_is_refused_says_how(
    graph: GraphDouble,
    files: FileSource,
    account: ChannelAccount,
    media: Media,
    status: int,
    error: type[ChannelError],
) -> None:
    graph.fail_next("download", status=status)
    with pytest.raises(error) as raised:
        await fetched(files, account, media.id)
    assert type(raised.value) is error


async def test_a_download_that_breaks_or_stands_still_may_be_made_again(
    graph: GraphDouble, session: aiohttp.ClientSession, account: ChannelAccount, media: Media
) -> None:
    files = WhatsAppFiles(session, graph.api_url, silence_limit=timedelta(seconds=0.5))
    graph.hold_next("download")
    with pytest.raises(ChannelUnavailable):
        await fetched(files, account, media.id)
    graph.fail_next("info", code=131016)
    with pytest.raises(ChannelUnavailable):
        await fetched(files, account, media.id)


async def test_an_expired_token_means_a_dead_connection(
    files: FileSource, account: ChannelAccount, media: Media, number: Number
) -> None:
    number.token_state = "expired"
    with pytest.raises(ConnectionDead):
        await fetched(files, account, media.id)


Answer = Callable[[], web.StreamResponse]


async def from_a_meta(
    session: aiohttp.ClientSession, account: ChannelAccount, answer: Answer, **about: object
) -> bytes:
    """One that announces and gives what it is told to."""
    given: list[str | None] = []

    async def info(request: web.Request) -> web.Response:
        return web.json_response({"url": f"http://{request.host}/file"} | about)

    async def file(request: web.Request) -> web.StreamResponse:
        given.append(request.headers.get("Authorization"))
        return answer()

    app = web.Application()
    app.add_routes([web.get("/v25.0/1", info), web.get("/{any:.*}", file)])
    async with serve(app) as url:
        try:
            return await fetched(WhatsAppFiles(session, f"{url}/v25.0/"), account, "1", 1_000)
        finally:
            if "url" in about:
                assert given == []


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/file",
        "https://lookaside.fbsbx.com.evil.example/file",
        "http://lookaside.fbsbx.com/file",
        "http://lookaside.fbsbx.com:443/file",
        "https://lookaside.fbsbx.com:8443/file",
        "https://x.fbcdn.net.evil.example/",
        "https://xfbcdn.net/",
        "http://127.0.0.1:1/file",
        "file:///etc/passwd",
        "//evil.example/",
        "https://[",
        "",
        None,
        5,
    ],
)
async def test_the_token_goes_to_nobody_but_meta(
    session: aiohttp.ClientSession, account: ChannelAccount, address: object
) -> None:
    with pytest.raises(ChannelRefused) as refusal:
        await from_a_meta(session, account, lambda: web.Response(body=b"x"), url=address)
    assert refusal.value.code == "media_address"


@pytest.mark.parametrize("address", ["https://lookaside.fbsbx.com/a?b", "https://scontent.xx.fbcdn.net/v/a"])
def test_metas_own_addresses_are_asked(address: str) -> None:
    assert str(metas_own(address, URL("https://graph.facebook.com/v25.0/"))) == address


async def test_a_redirection_is_not_followed(session: aiohttp.ClientSession, account: ChannelAccount) -> None:
    with pytest.raises(ChannelRefused):
        await from_a_meta(session, account, lambda: web.Response(status=302, headers={"Location": "/elsewhere"}))


async def test_more_than_was_announced_is_cut_off(session: aiohttp.ClientSession, account: ChannelAccount) -> None:
    with pytest.raises(ChannelRefused) as refusal:
        await from_a_meta(session, account, lambda: web.Response(body=bytes(1_001)), file_size="5")
    assert refusal.value.code == "too_big"


async def test_a_file_that_is_not_the_one_that_was_announced_is_fetched_again(
    session: aiohttp.ClientSession, account: ChannelAccount
) -> None:
    hexadecimal = hashlib.sha256(b"right").hexdigest()
    assert await from_a_meta(session, account, lambda: web.Response(body=b"right"), sha256=hexadecimal) == b"right"
    for announced in (hexadecimal, "no digest", "ä"):
        with pytest.raises(ChannelUnavailable):
            await from_a_meta(session, account, lambda: web.Response(body=b"wrong"), sha256=announced)
