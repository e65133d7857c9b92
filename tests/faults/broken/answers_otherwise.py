"""A gateway whose API refuses without the request's id, which its description promises."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import JSONResponse

from gateway.api import app
from konstruct.cli import main


def problem(
    request: Request,
    status: int,
    sentence: str,
    headers: dict[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers)


if __name__ == "__main__":
    app._problem = problem
    main()
