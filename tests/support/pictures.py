"""Pictures that people might send, made by the library that also opens them."""

import io

from PIL import Image


def picture(*, size: tuple[int, int] = (40, 30), format: str = "PNG", mode: str = "RGB", colour: str = "red") -> bytes:
    written = io.BytesIO()
    image = Image.new("RGB", size, colour)
    (image if mode == "RGB" else image.convert(mode)).save(written, format)
    return written.getvalue()


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size
