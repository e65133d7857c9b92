"""Ed25519 signatures over what leaves the database: anchors and exports. The keys come from the deployment's own."""

import json
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from konstruct.errors import Misconfigured

_SIGNATURE: Final = "signature"


class Signatures:
    """The newest key signs; what older ones signed still holds."""

    def __init__(self, keys: tuple[SecretStr, ...]) -> None:
        if not keys:
            raise Misconfigured("KONSTRUCT_ENCRYPTION_KEYS is empty: set at least one Fernet key.")
        derived = [
            Ed25519PrivateKey.from_private_bytes(
                HKDF(SHA256(), 32, salt=None, info=b"konstruct audit anchors").derive(key.get_secret_value().encode())
            )
            for key in keys
        ]
        self._newest = derived[0]
        self._known = {key.public_key().public_bytes_raw().hex() for key in derived}

    def sign(self, document: dict[str, Any]) -> str:
        """The document as a line of JSON, with the public key and the signature over all else."""
        signed = {**document, "key": self._newest.public_key().public_bytes_raw().hex()}
        return _line({**signed, _SIGNATURE: self._newest.sign(_line(signed).encode()).hex()})

    def knows(self, document: dict[str, Any]) -> bool:
        """Whether the key that it names is one of this deployment's."""
        return document.get("key") in self._known


def holds(document: dict[str, Any]) -> bool:
    """Whether the document was signed as it stands, by the key that it names."""
    signed = {name: value for name, value in document.items() if name != _SIGNATURE}
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed["key"]))
        key.verify(bytes.fromhex(document[_SIGNATURE]), _line(signed).encode())
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return True


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
