"""The core of Konstruct: what the product knows and can do, without HTTP, HTML or Temporal decorators."""
