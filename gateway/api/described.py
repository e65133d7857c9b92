"""The API as OpenAPI describes it, for the page that shows it: `python -m gateway.api.described` writes the file anew.

The portal must not import the gateway, so it reads what is written here; a test holds the two against each other.
"""

import json
from pathlib import Path
from typing import Any, Final, cast

from gateway.api import app
from gateway.api.outside import Outside

FILE: Final = Path(__file__).parents[2] / "portal" / "openapi.json"


def described() -> str:
    """As the file holds it."""
    nothing = cast(Any, None)  # A route's description needs nothing of what the route works with.
    outside = Outside(**dict.fromkeys(Outside.__dataclass_fields__, nothing))
    built = app.build(nothing, nothing, nothing, nothing, {}, nothing, outside)
    return json.dumps(built.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(described(), encoding="utf-8")
