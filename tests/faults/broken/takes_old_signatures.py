"""A gateway to which a signature is as good as ever, however old it is."""

import sys

import gateway.slack
from konstruct.adapters import stripe_events
from tests.faults.wrapping import go_on

FOR_EVER = 10**9

if __name__ == "__main__":
    vars(gateway.slack)["MAX_SKEW"] = FOR_EVER
    vars(stripe_events)["TOLERANCE_SECONDS"] = FOR_EVER
    go_on(("konstruct", *sys.argv[1:]))
