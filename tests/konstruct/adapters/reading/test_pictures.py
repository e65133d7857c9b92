"""Pictures that strangers sent: small, upright and bare in the end, whatever they were, and no bomb goes off."""

import io
import struct
import zlib

import pytest
from PIL import Image

from konstruct.adapters.reading.children import Limits
from konstruct.adapters.reading.picture_child import FORMATS
from konstruct.adapters.reading.pictures import LONGEST_SIDE, SubprocessPictures
from konstruct.errors import Unreadable
from tests.support.pictures import picture, size_of


@pytest.fixture(scope="module")
def pictures() -> SubprocessPictures:
    return SubprocessPictures()


@pytest.mark.parametrize("format", FORMATS)
async def test_a_picture_of_any_usual_kind_becomes_a_jpeg(pictures: SubprocessPictures, format: str) -> None:
    small = await pictures.small(picture(format=format))
    assert small.startswith(b"\xff\xd8\xff")
    assert size_of(small) == (40, 30)


@pytest.mark.parametrize("mode", ["P", "L", "1", "RGBA", "CMYK"])
async def test_colours_of_any_kind_are_understood(pictures: SubprocessPictures, mode: str) -> None:
    format = "TIFF" if mode == "CMYK" else "PNG"
    assert size_of(await pictures.small(picture(mode=mode, format=format))) == (40, 30)


async def test_a_large_one_is_made_small(pictures: SubprocessPictures) -> None:
    assert size_of(await pictures.small(picture(size=(9_000, 6_000), format="JPEG"))) == (LONGEST_SIDE, 1_045)


async def test_it_is_turned_upright_and_says_nothing_of_where_it_was_taken(pictures: SubprocessPictures) -> None:
    image, exif, written = Image.new("RGB", (60, 20)), Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    exif[0x010E] = "Canary Street 1"
    image.save(written, "JPEG", exif=exif)
    small = await pictures.small(written.getvalue())
    assert size_of(small) == (20, 60)
    assert b"Canary" in written.getvalue()
    assert b"Canary" not in small


async def test_a_decompression_bomb_is_refused(pictures: SubprocessPictures) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1_000)) + chunk(b"IEND", b"")
    with pytest.raises(Unreadable, match="too many pixels"):
        await pictures.small(bomb)


async def test_what_takes_too_much_is_given_up() -> None:
    tight = SubprocessPictures(limits=Limits(memory=250_000_000, cpu_seconds=20))
    with pytest.raises(Unreadable, match="too much memory or time"):
        await tight.small(picture(size=(7_000, 7_000)))


@pytest.mark.parametrize(
    "content", [b"", b"Just words", picture()[:60], b"\xff\xd8\xff\xe0 nothing more", b"GIF89a" + b"\xff" * 100]
)
async def test_what_is_no_whole_picture_is_refused_in_words(pictures: SubprocessPictures, content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"damaged|no picture"):
        await pictures.small(content)
