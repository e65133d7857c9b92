"""A portal, or gateway, on uvicorn as it comes: it waits for slow clients for as long as they please."""

from typing import Any

import uvicorn

from konstruct import serving
from tests.faults import few_files


def unbounded(application: Any, *, limits: serving.Limits | None = None, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(application, ws="none", log_config=None, access_log=False, server_header=False, **options)


if __name__ == "__main__":
    serving.configured = unbounded
    few_files.main()
