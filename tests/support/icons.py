"""Makes the sprite of drawings: ``python -m tests.support.icons NAME…`` adds drawings of Lucide to it, ``--prune``
takes out those that no page uses. It needs npm, for Lucide's package alone."""

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

PACKAGE: Final = "lucide-static@1.62.0"
PORTAL: Final = Path(__file__).parents[2] / "portal"
SPRITE: Final = PORTAL / "static" / "icons.svg"
_SYMBOL: Final = re.compile(r'<symbol id="([a-z0-9-]+)"')
_SVG: Final = "{http://www.w3.org/2000/svg}"


def drawn() -> set[str]:
    """The names in the sprite."""
    return set(_SYMBOL.findall(SPRITE.read_text())) if SPRITE.exists() else set()


def used() -> set[str]:
    """Every word in quotation marks, in templates, modules and scripts, that is the name of a drawing."""
    texts = [
        path.read_text()
        for pattern in ("*.html", "*.py", "*.js")
        for path in PORTAL.rglob(pattern)
        if "vendor" not in path.parts
    ]
    return drawn() & {word for text in texts for word in re.findall(r"""["']([a-z0-9-]+)["']""", text)}


def draw(names: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        [archive] = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as opened:
            symbols = [_symbol(opened, name) for name in sorted(names)]
    lines = ['<svg xmlns="http://www.w3.org/2000/svg">', f"<!-- {PACKAGE}, ISC; see vendor/lucide-1.62.0/LICENSE -->"]
    SPRITE.write_text("\n".join([*lines, *symbols, "</svg>", ""]))


def _symbol(archive: tarfile.TarFile, name: str) -> str:
    try:
        file = archive.extractfile(f"package/icons/{name}.svg")
    except KeyError:
        raise SystemExit(f"Lucide has no drawing called {name}.") from None
    assert file is not None, name
    parts = []
    for element in ElementTree.fromstring(file.read()):
        attributes = "".join(f' {key}="{value}"' for key, value in element.attrib.items())
        parts.append(f"<{element.tag.removeprefix(_SVG)}{attributes}/>")
    return f'<symbol id="{name}" viewBox="0 0 24 24">{"".join(parts)}</symbol>'


if __name__ == "__main__":
    wanted = set(sys.argv[1:]) - {"--prune"}
    draw((used() if "--prune" in sys.argv else drawn()) | wanted)
