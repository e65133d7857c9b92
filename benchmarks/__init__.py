"""Measured comparisons, each a package that is run by ``python -m``; the product never imports them."""
