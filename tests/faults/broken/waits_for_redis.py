"""A gateway that waits for Redis as long as its client would: while Redis hangs, nobody is answered in time."""

from datetime import timedelta
from functools import partial

import gateway.app
from konstruct.adapters.redis import Circuit, connect
from konstruct.cli import main

PATIENCE = timedelta(seconds=10)

if __name__ == "__main__":
    vars(gateway.app)["connect"] = partial(connect, time_limit=PATIENCE)
    vars(gateway.app)["Circuit"] = partial(Circuit, time_limit=PATIENCE)
    main()
