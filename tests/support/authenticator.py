"""A security key in software: makes passkeys and signs challenges as WebAuthn says, or wrongly on request.

key = SecurityKey()
answer = key.create(options)              # options as the portal sends them; the answer as a browser's toJSON()
answer = key.get(options, origin="…")     # from another site
"""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

Json = dict[str, Any]

_PRESENT, _VERIFIED, _BACKED_UP, _WITH_KEY = 0x01, 0x04, 0x18, 0x40


@dataclass
class SecurityKey:
    origin: str
    is_verifying: bool = True
    """Whether it asks for a finger or a PIN."""
    is_synced: bool = False
    count: int = 0
    """How often it has signed; one that does not count stays at 0."""
    is_counting: bool = True
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    private_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    user_handle: bytes = b""

    def create(self, options: Json, *, origin: str | None = None, rp_id: str | None = None) -> str:
        self.user_handle = _unbase64(options["user"]["id"])
        numbers = self.private_key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + key
        data = self._data(rp_id or options["rp"]["id"], _WITH_KEY) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", options["challenge"], origin)
        response = {"clientDataJSON": _base64(said), "attestationObject": _base64(attestation)}
        return self._answer({**response, "transports": ["usb", "telepathy"]})

    def get(
        self, options: Json, *, origin: str | None = None, rp_id: str | None = None, kind: str = "webauthn.get"
    ) -> str:
        self.count += self.is_counting
        data = self._data(rp_id or options["rpId"])
        said = self._said(kind, options["challenge"], origin)
        signature = self.private_key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": _base64(said),
                "authenticatorData": _base64(data),
                "signature": _base64(signature),
                "userHandle": _base64(self.user_handle),
            }
        )

    def _data(self, rp_id: str, more: int = 0) -> bytes:
        flags = _PRESENT | (_VERIFIED if self.is_verifying else 0) | (_BACKED_UP if self.is_synced else 0) | more
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _said(self, kind: str, challenge: str, origin: str | None) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin or self.origin}).encode()

    def _answer(self, response: Json) -> str:
        name = _base64(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
