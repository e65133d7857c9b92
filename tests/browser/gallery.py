"""A page that shows every component, and pages that behave as pages do, for looking at and trying out."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from starlette.responses import PlainTextResponse, Response

from konstruct.errors import Unavailable
from konstruct.tables.base import utc_now
from portal.access import may
from portal.rendering import Toast, environment, redirect, render

_TEMPLATES: Final = Path(__file__).parent / "templates"


router = APIRouter(prefix="/t/{tenant}", dependencies=[Depends(may("home.read"))])


def _page(request: Request, name: str, status: int = 200, **context: Any) -> Response:
    template = environment.from_string((_TEMPLATES / f"{name}.html").read_text())
    now = utc_now()
    moments = [now, now - timedelta(minutes=5), now - timedelta(hours=3), now - timedelta(days=40)]
    return render(request, template, status, moments=moments, here=_here(request), **context)


def _here(request: Request) -> str:
    return f"/t/{request.path_params['tenant']}/gallery"


@router.get("/gallery")
async def gallery(request: Request) -> Response:
    return _page(request, "gallery")


@router.get("/gallery/form")
async def form(request: Request, by_htmx: bool = False) -> Response:
    return _page(request, "form", typed={}, by_htmx=by_htmx)


@router.post("/gallery/form")
async def save(
    request: Request, name: Annotated[str, Form()] = "", about: Annotated[str, Form()] = "", by_htmx: bool = False
) -> Response:
    if not name.strip():
        typed = {"name": name, "about": about}
        return _page(request, "form", 422, typed=typed, by_htmx=by_htmx, errors={"name": "Give it a name."})
    return redirect(request, f"{_here(request)}/form", toast=Toast(f"Saved {name}.", undo=f"{_here(request)}/undo"))


@router.post("/gallery/undo")
async def undo(request: Request) -> Response:
    return redirect(request, f"{_here(request)}/form", toast=Toast("It is as it was.", "info"))


@router.get("/gallery/part")
async def part(request: Request) -> Response:
    return _page(request, "part")


@router.get("/gallery/again")
async def again(request: Request) -> Response:
    return _page(request, "again")


@router.post("/gallery/away")
async def away(request: Request) -> Response:
    raise Unavailable("The database does not answer.")


@router.get("/gallery/wrong")
async def wrong(request: Request) -> Response:
    return _page(request, "wrong")


@router.get("/gallery/wrong.js")
async def wrong_script(request: Request) -> Response:
    script = "console.error('said by a script'); eval('1'); throw new Error('thrown by a script');"
    return PlainTextResponse(script, media_type="text/javascript")


def add_gallery(app: FastAPI) -> None:
    app.include_router(router)
