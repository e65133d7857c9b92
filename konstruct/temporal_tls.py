"""The certificates of the connection to Temporal: read and checked before anything connects, and told of in sentences
when the two ends do not trust each other.
"""

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from temporalio.service import TLSConfig

from konstruct.errors import Misconfigured
from konstruct.settings import Settings

_BEGINNING: Final = "-----BEGIN "

# What the client's library says of the server, and what a person is to do. It has no other way to tell them apart.
_OF_THE_SERVER: Final = {
    "UnknownIssuer": "Temporal's certificate is of no authority that is trusted here: give the authority's own in "
    "KONSTRUCT_TEMPORAL_TLS_CA.",
    "NotValidForName": "Temporal's certificate is for another name than the address: give that name in "
    "KONSTRUCT_TEMPORAL_TLS_SERVER_NAME.",
    "InvalidCertificate(Expired": "Temporal's certificate has expired.",
    "InvalidContentType": "Temporal speaks no TLS at this address: leave out KONSTRUCT_TEMPORAL_TLS and what needs it.",
}
# With TLS 1.3 a server judges its client when that takes itself for connected. Whether its reason is seen then, or only
# the end of the connection, is chance.
_ENDED: Final = ("received fatal alert", "tls handshake eof", "hyper::Error(")


def configured(settings: Settings) -> TLSConfig | bool:
    """What the client is to be told: False where nothing asks for TLS.

    Raises:
        Misconfigured: a file cannot be read, holds no certificate or no key, or one is there without the other.
    """
    ca, cert, name = settings.temporal_tls_ca, settings.temporal_tls_cert, settings.temporal_tls_server_name
    key = settings.temporal_tls_key.get_secret_value() if settings.temporal_tls_key else None
    if not (settings.temporal_tls or settings.temporal_api_key or ca or cert or key or name):
        return False
    if (cert is None) != (key is None):
        there, missing = ("CERT", "KEY") if key is None else ("KEY", "CERT")
        raise Misconfigured(f"KONSTRUCT_TEMPORAL_TLS_{there} needs KONSTRUCT_TEMPORAL_TLS_{missing} beside it.")
    client_cert, client_key = _pair(cert, key) if cert and key else (None, None)
    return TLSConfig(
        server_root_ca_cert=_certificates(ca, "KONSTRUCT_TEMPORAL_TLS_CA")[1] if ca else None,
        domain=name,
        client_cert=client_cert,
        client_private_key=client_key,
    )


def why_not(error: Exception, settings: Settings) -> str:
    """Why there is no connection, for an operator: in a sentence where that is known, else as the library says it."""
    said = str(error)
    for part, sentence in _OF_THE_SERVER.items():
        if part in said:
            return sentence
    if not any(part in said for part in _ENDED):
        return said
    if configured(settings) is False:
        reason = "It may speak TLS alone: set KONSTRUCT_TEMPORAL_TLS."
    elif settings.temporal_tls_cert is None:
        reason = (
            "It may want a certificate of its clients: give one in KONSTRUCT_TEMPORAL_TLS_CERT, and its key in "
            "KONSTRUCT_TEMPORAL_TLS_KEY."
        )
    else:
        reason = (
            "It may refuse the certificate in KONSTRUCT_TEMPORAL_TLS_CERT: one that has expired, or whose authority "
            "the namespace does not know."
        )
    return f"Temporal ends the connection as soon as it is made. {reason}"


def _pair(cert: str, key: str) -> tuple[bytes, bytes]:
    certificate, client_cert = _certificates(cert, "KONSTRUCT_TEMPORAL_TLS_CERT")
    client_key = _pem(key, "KONSTRUCT_TEMPORAL_TLS_KEY")
    try:
        private = load_pem_private_key(client_key, password=None)
    except TypeError as error:
        raise Misconfigured("KONSTRUCT_TEMPORAL_TLS_KEY has a passphrase: give the key without one.") from error
    except (ValueError, UnsupportedAlgorithm):
        # Its own error is left out: nobody knows what of the key it repeats.
        raise Misconfigured("KONSTRUCT_TEMPORAL_TLS_KEY holds no private key in PEM.") from None
    if private.public_key() != certificate.public_key():
        raise Misconfigured("KONSTRUCT_TEMPORAL_TLS_KEY is not the key of KONSTRUCT_TEMPORAL_TLS_CERT.")
    return client_cert, client_key


def _certificates(value: str, variable: str) -> tuple[x509.Certificate, bytes]:
    """The first of them, and all as they stand."""
    pem = _pem(value, variable)
    try:
        return x509.load_pem_x509_certificates(pem)[0], pem
    except ValueError as error:
        raise Misconfigured(f"{variable} holds no certificate in PEM.") from error


def _pem(value: str, variable: str) -> bytes:
    """What is in the file, or in the setting itself, where a line may end with ``\\n`` written out."""
    if value.startswith(_BEGINNING):
        return value.replace("\\n", "\n").encode()
    try:
        return Path(value).read_bytes()
    except OSError as error:
        # What was given is not repeated: it may be a key that somebody copied without its first line.
        raise Misconfigured(f"{variable} names a file that cannot be read: {error.strerror}.") from None
