"""Builds that come after the product's own: their conversations do something more, and know what earlier ones began."""
