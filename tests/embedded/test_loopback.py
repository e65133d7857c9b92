import socket

import pytest

from konstruct.embedded import loopback
from konstruct.embedded.loopback import free_port, http_answers, line_answers, require_free_port
from konstruct.errors import Misconfigured


def test_a_taken_port_is_named_together_with_its_variable() -> None:
    port = free_port()
    told = pytest.raises(Misconfigured, match=f"Port {port} .*KONSTRUCT_GATEWAY_PORT")
    with socket.create_server(("127.0.0.1", port)), told:
        require_free_port("127.0.0.1", port, "KONSTRUCT_GATEWAY_PORT")

    require_free_port("127.0.0.1", port, "KONSTRUCT_GATEWAY_PORT")


def test_an_address_of_another_machine_is_a_clear_sentence() -> None:
    with pytest.raises(Misconfigured, match=r"Nothing can listen on port 8000 of 192\.0\.2\.1"):
        require_free_port("192.0.2.1", 8000, "KONSTRUCT_GATEWAY_PORT")


def test_the_preferred_port_is_given_unless_it_is_taken() -> None:
    with socket.create_server(("127.0.0.1", port := free_port())):
        assert free_port(port) != port

    assert free_port(port) == port


def test_no_port_is_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "candidates", loopback.candidates[:300])
    drawn = [free_port() for _ in range(50)]
    assert len(set(drawn)) == 50
    assert set(drawn) <= set(loopback.candidates)


async def test_nobody_listening_is_no_answer() -> None:
    port = free_port()
    assert not await http_answers(f"http://127.0.0.1:{port}/")
    assert not await line_answers(port, b"PING\r\n", b"+PONG\r\n")
