"""Whether the process of this container can do its work: asks its own port, and ends with 0 where that says yes.

Only the standard library is used: it runs every few seconds, beside the process.
"""

import os
import sys
import urllib.error
import urllib.request

TIME_LIMIT = 4.0


def main() -> int:
    port = os.environ.get("KONSTRUCT_METRICS_PORT", "9464")
    # Not through a proxy that the environment may name for requests that leave the machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/health/ready", timeout=TIME_LIMIT) as answer:
            said, status = answer.read(2_000), 0
    except urllib.error.HTTPError as error:
        with error:
            said, status = error.read(2_000), 1
    except OSError as error:
        said, status = f"Nothing answers on port {port}: {error}".encode(), 1
    sys.stdout.write(f"{said.decode(errors='replace')}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
