"""What a file is, by its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.files.kinds import kind_of, sniff
from tests.support.pictures import picture


@pytest.mark.parametrize(
    ("content", "said", "found"),
    [
        (picture(format="PNG"), "", "image/png"),
        (picture(format="JPEG"), "application/pdf", "image/jpeg"),
        (picture(format="GIF"), "", "image/gif"),
        (picture(format="WEBP"), "", "image/webp"),
        (picture(format="BMP"), "", "image/bmp"),
        (picture(format="TIFF"), "", "image/tiff"),
        (picture(format="AVIF"), "", "image/avif"),
        (b"\0\0\0\x18ftypheic", "image/jpeg", "image/heic"),
        (b"OggS\0\2", "audio/ogg; codecs=opus", "audio/ogg"),
        (b"ID3\4", "", "audio/mpeg"),
        (b"\xff\xfb\x90", "", "audio/mpeg"),
        (b"\xff\xf1\x50", "", "audio/aac"),
        (b"RIFF\0\0\0\0WAVEfmt ", "", "audio/wav"),
        (b"RIFF\0\0\0\0AVI LIST", "", "video/x-msvideo"),
        (b"\0\0\0\x18ftypM4A ", "video/mp4", "audio/mp4"),
        (b"\0\0\0\x18ftypmp42", "audio/mp4", "audio/mp4"),
        (b"\0\0\0\x18ftypmp42", "video/mp4", "video/mp4"),
        (b"\x1aE\xdf\xa3", "audio/webm", "audio/webm"),
        (b"\x1aE\xdf\xa3", "", "video/webm"),
        (b"#!AMR\n", "", "audio/amr"),
        (b"%PDF-1.7", "image/png", "application/octet-stream"),
        ("Words in UTF-16".encode("utf-16"), "", "application/octet-stream"),
        (b"\xff\xd8\xff", "audio/mpeg", "image/jpeg"),
        (b"", "image/png", "application/octet-stream"),
        (b"BMW is a car.", "text/plain", "application/octet-stream"),
    ],
)
def test_a_file_is_what_it_begins_like(content: bytes, said: str, found: str) -> None:
    assert sniff(content, said) == found


@given(st.binary(max_size=40), st.text(max_size=20))
def test_any_bytes_are_of_some_kind_and_what_is_said_makes_no_picture(content: bytes, said: str) -> None:
    plain, told = kind_of(sniff(content)), kind_of(sniff(content, said))
    assert plain == told or (plain, told) == ("film", "voice")
