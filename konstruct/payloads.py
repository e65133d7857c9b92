"""What Temporal holds is sealed before it leaves this process: payloads, and the words of failures."""

import hashlib
import os
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from konstruct.errors import KeyMissing, Misconfigured

_ENCODING: Final = b"binary/encrypted"
_NONCE_BYTES: Final = 12


class EncryptingCodec(PayloadCodec):
    """AES-256-GCM with a key derived from the deployment's newest; older keys still open what they sealed."""

    def __init__(self, keys: tuple[SecretStr, ...]) -> None:
        if not keys:
            raise Misconfigured("KONSTRUCT_ENCRYPTION_KEYS is empty: set at least one Fernet key.")
        self._ciphers = {}
        for key in reversed(keys):
            derived = HKDF(SHA256(), 32, salt=None, info=b"konstruct temporal payloads").derive(
                key.get_secret_value().encode()
            )
            self._newest = hashlib.sha256(derived).hexdigest()[:16].encode()
            self._ciphers[self._newest] = AESGCM(derived)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ciphers[self._newest].encrypt(nonce, payload.SerializeToString(), self._newest)
        return Payload(metadata={"encoding": _ENCODING, "key": self._newest}, data=sealed)

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        key = payload.metadata["key"]
        if key not in self._ciphers:
            raise KeyMissing("A Temporal payload was encrypted with a key that is not in KONSTRUCT_ENCRYPTION_KEYS.")
        content = self._ciphers[key].decrypt(payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:], key)
        return Payload.FromString(content)


def data_converter(keys: tuple[SecretStr, ...]) -> DataConverter:
    """Also encrypts failures' messages and stack traces, which a codec alone leaves readable."""
    return DataConverter(
        payload_codec=EncryptingCodec(keys), failure_converter_class=DefaultFailureConverterWithEncodedAttributes
    )
