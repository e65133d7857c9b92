"""What a file is, by the first bytes of its content; what is said of it only tells sound from film in one container."""

from typing import Final, Literal

Kind = Literal["picture", "voice", "film", "document"]

MOST_BYTES: Final[dict[Kind, int]] = {
    "picture": 20_000_000,
    "voice": 25_000_000,
    "film": 0,
    "document": 20_000_000,
}
LARGEST: Final = max(MOST_BYTES.values())

_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR", "audio/amr"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
# RIFF files say what they are after their length, and the kin of MP4 after that of their first box.
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
}
_EITHER: Final = {"video/mp4": "audio/mp4", "video/webm": "audio/webm"}
"""Containers of film or of sound alone, which their beginning does not tell."""


def sniff(content: bytes, said: str = "") -> str:
    """Its media type; ``application/octet-stream`` for all that is no picture, sound or film."""
    found = _found(content)
    return _EITHER.get(found, found) if said.startswith("audio/") else found


def kind_of(media_type: str) -> Kind:
    names: dict[str, Kind] = {"image": "picture", "audio": "voice", "video": "film"}
    return names.get(media_type.partition("/")[0], "document")


def _found(content: bytes) -> str:
    if content[:4] == b"RIFF":
        return _RIFF.get(content[8:12], "application/octet-stream")
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "video/mp4")
    if content[:2] == b"BM" and content[6:10] == b"\0\0\0\0":
        return "image/bmp"
    # A frame of MPEG audio, layer 3, or of AAC begins with eleven or twelve bits that are set.
    if len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0 and content[:2] not in (b"\xff\xfe",):
        return _mpeg(content[1])
    return next((kind for begins, kind in _BEGINNINGS if content.startswith(begins)), "application/octet-stream")


def _mpeg(second: int) -> str:
    if second == 0xD8:
        return "image/jpeg"
    return "audio/aac" if second & 0xF6 == 0xF0 else "audio/mpeg"
