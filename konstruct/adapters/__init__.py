"""The outside world made real: the only files that talk to a vendor's SDK, each behind a port."""
