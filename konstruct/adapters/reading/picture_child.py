"""The program that looks at one picture: from standard input to a small JPEG on standard output, and able to do nothing
else. What it cannot take comes as a line of JSON."""

import copy  # noqa: F401 - What reads GIF imports it when first needed, and then it could not any more.
import io
import json
import sys
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from konstruct.adapters.reading.child import EXHAUSTED, close_off, limited
from konstruct.errors import Unreadable

FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
MOST_PIXELS: Final = 60_000_000
"""Of what has to be unpacked at once, at four bytes each."""
QUALITY: Final = 85


def main() -> None:
    request, content = limited()
    # What reads each format is imported now: later nothing can be opened any more.
    Image.init()
    Image.MAX_IMAGE_PIXELS = None
    close_off()
    try:
        answer = small(content, request["longest_side"])
    except Unreadable as error:
        answer = json.dumps({"unreadable": str(error)}).encode()
    except (MemoryError, RecursionError):
        sys.exit(EXHAUSTED)
    except Exception:
        # Its decoders fail in all ways over what is not put together as they expect.
        answer = json.dumps({"unreadable": "the picture is damaged"}).encode()
    sys.stdout.buffer.write(answer)


def small(content: bytes, longest_side: int) -> bytes:
    """Upright, without what else a camera wrote into it, and of a moving picture the first one."""
    try:
        picture: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise Unreadable("it is no picture of a kind that can be looked at") from None
    size = (longest_side, longest_side)
    # Of a JPEG only as many of its pixels are made as are needed, and its size is then that.
    picture.draft("RGB", size)
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable("it has too many pixels")
    picture.thumbnail(size, Image.Resampling.LANCZOS)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode != "RGB":
        see_through = picture.convert("RGBA")
        picture = Image.new("RGB", see_through.size, "white")
        picture.paste(see_through, mask=see_through)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


if __name__ == "__main__":
    main()
