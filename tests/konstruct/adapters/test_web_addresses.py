"""What may be asked and what may not: addresses, and the many ways to write one."""

import pytest

from konstruct.adapters.web import SafeWeb, open_client
from konstruct.adapters.web_addresses import Allowed, is_public
from konstruct.errors import Misconfigured, WebRefused
from konstruct.source_ports import WebRequest
from tests.support.streets import Names

GOOD = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
)

BAD = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3ffe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)


@pytest.mark.parametrize("address", GOOD)
def test_the_public_internet_may_be_asked(address: str) -> None:
    assert is_public(address)
    assert Allowed().may_reach("name.example", 443, address)


@pytest.mark.parametrize("address", BAD)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    names = Names()
    names.lead("name.example", [address])
    names.lead("both.example", ["93.184.216.34", address])
    async with open_client(resolve=names) as client:
        for host in ("name.example", "both.example"):
            with pytest.raises(WebRefused, match="not on the public internet") as refused:
                await SafeWeb(client).request(WebRequest("GET", f"https://{host}/"), time_limit=10, most_bytes=1)
            assert address not in str(refused.value)
    assert names.asked == ["name.example", "both.example"]


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "127.0.0.1"])
async def test_an_address_in_the_url_is_judged_like_any_other(host: str) -> None:
    await refused(f"https://{host}/", "not on the public internet")


@pytest.mark.parametrize(
    "host",
    [
        "0",
        "0x7f000001",
        "0x7f.1",
        "0177.1",
        "017700000001",
        "127.1",
        "2130706433",
        "localhost",
        "LOCALHOST",
        "127。0。0。1",
    ],
)
async def test_odd_ways_to_write_this_machine_are_judged_by_what_they_lead_to(host: str) -> None:
    await refused(f"https://{host}/", "not on the public internet")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "konstruct",
        "/etc/passwd",
        "//name.example/",
        "https:name.example",
        "https:///path",
        "https://:443/",
        "file:///etc/passwd",
        "ftp://name.example/",
        "gopher://name.example/",
        "data:text/plain,x",
        "ws://name.example/",
        "wss://name.example/",
        "https://①②⑦.0.0.1/",
        "https://ⓛocalhost/",
        "https://0177.0.0.1/",
        "https://256.256.256.256/",
        "https://127%2e0%2e0%2e1/",
        "https://na me.example/",
        "https://na%00me.example/",
        "https://name..example/",
        "https://.name.example/",
        "https://-name.example/",
        "https://[::1/",
        "https://[::1%25lo]/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 127 + "example/",
        "https://name.example:0x50/",
        "https://name.example:99999/",
        "https://name.example\r\nHost: x/",
        "https://user:hunter2@name.example/",
        "https://user@name.example/",
        "https://127.0.0.1:443@name.example/",
        "https://name.example\\@127.0.0.1/",
        "http://name.example/",
        "http://name.example:443/",
        "https://name.example:80/",
        "https://name.example:8443/",
        "https://name.example:22/",
    ],
)
async def test_what_is_no_plain_address_is_refused_before_any_look_up(url: str) -> None:
    names = Names()
    async with open_client(resolve=names) as client:
        with pytest.raises(WebRefused) as found:
            await SafeWeb(client).request(WebRequest("GET", url), time_limit=10, most_bytes=1)
    assert names.asked == []
    assert "hunter2" not in str(found.value)


async def refused(url: str, match: str) -> None:
    async with open_client() as client:
        with pytest.raises(WebRefused, match=match):
            await SafeWeb(client).request(WebRequest("GET", url), time_limit=10, most_bytes=1)


def test_what_is_allowed_is_a_host_with_a_port_or_a_network() -> None:
    allowed = Allowed.parse(["Intranet.example:8080", "[fd00::1]:9000", "10.2.0.0/16"])
    assert allowed.places == {("intranet.example", 8080), ("fd00::1", 9000)}
    assert allowed.may_reach("intranet.example", 8080, "10.1.1.1")
    assert not allowed.may_reach("intranet.example", 8081, "10.1.1.1")
    assert not allowed.may_reach("other.example", 8080, "10.1.1.1")
    assert not allowed.may_reach("intranet.example", 8080, "fe80::1%eth0")
    assert allowed.may_reach("other.example", 443, "10.2.255.1")
    assert not allowed.may_reach("other.example", 443, "10.3.0.1")
    assert not allowed.may_reach("other.example", 443, "::ffff:10.2.0.1")


@pytest.mark.parametrize(
    "entry",
    ["intranet.example", ":80", "intranet.example:", "host:0", "host:65536", "ho st:1", "10.0.0.1/8", "https://x"],
)
def test_what_is_neither_is_a_mistake_of_whoever_deploys(entry: str) -> None:
    with pytest.raises(Misconfigured, match="KONSTRUCT_WEB_ALLOWED"):
        Allowed.parse([entry])
