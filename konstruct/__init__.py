"""The core of Konstruct: what the product knows and can do, without HTTP, HTML or Temporal decorators."""

from typing import Final

__version__: Final = "0.1.0"
