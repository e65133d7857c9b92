"""Temporal behind TLS that demands certificates: Caddy ends it, which has Go's, as Temporal's own server does."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from konstruct import doctor, temporal, temporal_tls
from konstruct.embedded.loopback import free_port, http_answers
from konstruct.errors import Misconfigured
from konstruct.settings import Settings
from tests.support.caddy import running_caddy
from tests.support.commands import konstruct
from tests.support.streets import Authority

NAME = "temporal.example"
CERT, KEY, CA = (f"KONSTRUCT_TEMPORAL_TLS_{what}" for what in ("CERT", "KEY", "CA"))

CADDYFILE = """{{
  admin 127.0.0.1:{admin}
  auto_https off
  skip_install_trust
}}
https://:{port} {{
  bind 127.0.0.1
  tls {folder}/server.pem {folder}/server.key {{
    client_auth {{
      mode require_and_verify
      trust_pool file {folder}/ca.pem
    }}
  }}
  reverse_proxy h2c://{behind}
}}
"""


@dataclass(frozen=True)
class Front:
    address: str
    authority: Authority
    folder: Path

    def settings(self, settings: Settings, **changed: Any) -> Settings:
        """Of a client that this front lets in, and what is to be otherwise."""
        certificate, key = self.authority.issue("client.example")
        rest = {
            "temporal_address": self.address,
            "temporal_tls_cert": certificate.decode(),
            "temporal_tls_key": SecretStr(key.decode()),
            "temporal_tls_ca": self.authority.pem.decode(),
            "temporal_tls_server_name": NAME,
        }
        return settings.model_copy(update={**rest, **changed})


@pytest.fixture(scope="module")
async def front(temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    folder, port, admin = tmp_path_factory.mktemp("front"), free_port(), free_port()
    authority = Authority(folder)
    certificate, key = authority.issue(NAME)
    for name, content in (("server.pem", certificate), ("server.key", key), ("ca.pem", authority.pem)):
        (folder / name).write_bytes(content)
    file = folder / "Caddyfile"
    file.write_text(CADDYFILE.format(admin=admin, port=port, folder=folder, behind=temporal_address))
    async with running_caddy(file, partial(http_answers, f"http://127.0.0.1:{admin}/config/")):
        yield Front(f"127.0.0.1:{port}", authority, folder)


async def refusal(settings: Settings) -> str:
    """What an operator is told of it."""
    with pytest.raises(RuntimeError) as refused:
        await temporal.connect(settings, lazy=False)
    return temporal_tls.why_not(refused.value, settings)


async def test_a_client_that_has_its_certificate_gets_in_and_one_at_its_first_call_too(
    settings: Settings, front: Front
) -> None:
    for lazy in (False, True):
        client = await temporal.connect(front.settings(settings), lazy=lazy)
        assert await client.service_client.check_health(timeout=timedelta(seconds=10))


async def test_certificates_may_be_files_or_lines_that_are_written_out(settings: Settings, front: Front) -> None:
    certificate, key = front.authority.issue("client.example")
    (front.folder / "client.pem").write_bytes(certificate)
    there = front.settings(
        settings,
        temporal_tls_cert=str(front.folder / "client.pem"),
        temporal_tls_key=SecretStr(key.decode().replace("\n", "\\n")),
        temporal_tls_ca=str(front.folder / "ca.pem"),
    )
    client = await temporal.connect(there, lazy=False)
    assert await client.service_client.check_health(timeout=timedelta(seconds=10))


async def test_a_client_without_a_certificate_is_told_what_temporal_wants(settings: Settings, front: Front) -> None:
    without = front.settings(settings, temporal_tls_cert=None, temporal_tls_key=None)
    assert "It may want a certificate of its clients" in await refusal(without)


async def test_a_certificate_of_another_authority_is_refused(settings: Settings, front: Front, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("client.example")
    theirs = {"temporal_tls_cert": certificate.decode(), "temporal_tls_key": SecretStr(key.decode())}
    assert "It may refuse the certificate in" in await refusal(front.settings(settings, **theirs))


async def test_a_server_that_cannot_be_trusted_is_told_nothing(settings: Settings, front: Front) -> None:
    assert CA in await refusal(front.settings(settings, temporal_tls_ca=None))
    unnamed = front.settings(settings, temporal_tls_server_name=None)
    assert "KONSTRUCT_TEMPORAL_TLS_SERVER_NAME" in await refusal(unnamed)


async def test_a_client_that_speaks_no_tls_is_told_to(settings: Settings, front: Front) -> None:
    plain = settings.model_copy(update={"temporal_address": front.address})
    assert "It may speak TLS alone" in await refusal(plain)


async def test_the_doctor_says_the_same(settings: Settings, front: Front) -> None:
    findings = {each.part: each for each in await doctor.examine(front.settings(settings, temporal_tls_ca=None))}
    assert (findings["temporal"].state, CA in findings["temporal"].says) == ("missing", True)


@pytest.mark.parametrize(
    "asks",
    [{"temporal_tls": True}, {"temporal_api_key": SecretStr("key")}, {"temporal_tls_server_name": NAME}],
    ids=str,
)
async def test_what_needs_tls_never_goes_without(settings: Settings, asks: dict[str, Any]) -> None:
    assert "speaks no TLS" in await refusal(settings.model_copy(update=asks))


def test_nothing_asks_for_tls_by_itself(settings: Settings) -> None:
    assert temporal_tls.configured(settings) is False


def test_what_cannot_be_used_is_said_by_its_setting(settings: Settings, front: Front) -> None:
    certificate, key = (part.decode() for part in front.authority.issue("client.example"))
    others_key = front.authority.issue("other.example")[1].decode()
    private = load_pem_private_key(key.encode(), None)
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()
    for cert, secret, ca, says in (
        (certificate, None, None, f"{CERT} needs {KEY} beside it."),
        (None, key, None, f"{KEY} needs {CERT} beside it."),
        ("/nowhere/client.pem", key, None, f"{CERT} names a file that cannot be read: No such file or directory."),
        (certificate, key.splitlines()[1], None, f"{KEY} names a file that cannot be read: No such file or directory."),
        (certificate, certificate, None, f"{KEY} holds no private key in PEM."),
        (key, key, None, f"{CERT} holds no certificate in PEM."),
        (certificate, others_key, None, f"{KEY} is not the key of {CERT}."),
        (certificate, locked, None, f"{KEY} has a passphrase: give the key without one."),
        (certificate, key, str(front.folder), f"{CA} names a file that cannot be read: Is a directory."),
        (certificate, key, str(front.folder / "Caddyfile"), f"{CA} holds no certificate in PEM."),
    ):
        given = {"temporal_tls_cert": cert, "temporal_tls_key": secret and SecretStr(secret), "temporal_tls_ca": ca}
        with pytest.raises(Misconfigured) as raised:
            temporal_tls.configured(settings.model_copy(update=given))
        assert str(raised.value) == says


@pytest.mark.parametrize("process", ["gateway", "portal", "worker"])
async def test_no_process_starts_with_half_of_a_pair_and_none_repeats_the_key(
    settings: Settings, front: Front, process: str
) -> None:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    key = front.authority.issue("client.example")[1].decode()
    done = await konstruct(
        process,
        env={
            "PATH": os.environ["PATH"],
            "KONSTRUCT_DATA_DIR": str(front.folder),
            "KONSTRUCT_DATABASE_URL": settings.database_url.get_secret_value(),
            "KONSTRUCT_REDIS_URL": settings.redis_url.get_secret_value(),
            "KONSTRUCT_ENCRYPTION_KEYS": settings.encryption_keys[0].get_secret_value(),
            "KONSTRUCT_TEMPORAL_ADDRESS": front.address,
            f"KONSTRUCT_{process.upper()}_PORT": str(free_port()),
            KEY: key,
        },
    )
    assert done.status == 1
    assert done.complained.splitlines()[-1] == f"{KEY} needs {CERT} beside it."
    assert key.splitlines()[1] not in done.complained + done.said
