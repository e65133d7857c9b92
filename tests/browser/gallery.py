"""A page that shows every component, and pages that behave as pages do, for looking at and trying out."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from starlette.responses import Response

from konstruct.errors import Unavailable
from konstruct.identity import TenantId, new_id
from konstruct.tables.base import utc_now
from portal.access import Member, Seat, anybody
from portal.rendering import Toast, environment, redirect, render

_TEMPLATES: Final = Path(__file__).parent / "templates"


def _member() -> Member:
    return Member(
        user_id=new_id(),
        session_id=new_id(),
        name="Ana Duarte",
        email="ana@northwind.example",
        time_zone="Europe/Paris",
        seats=[Seat("northwind", "Northwind Retail", "owner"), Seat("acme", "Acme", "agent")],
        tenant_id=TenantId(new_id()),
        tenant_slug="northwind",
        tenant_name="Northwind Retail",
        role="owner",
    )


async def _let_in(request: Request) -> None:
    request.state.member = _member()


router = APIRouter(dependencies=[Depends(anybody()), Depends(_let_in)])


def _page(request: Request, name: str, status: int = 200, **context: object) -> Response:
    template = environment.from_string((_TEMPLATES / f"{name}.html").read_text())
    now = utc_now()
    moments = [now, now - timedelta(minutes=5), now - timedelta(hours=3), now - timedelta(days=40)]
    return render(request, template, status, moments=moments, **context)


@router.get("/gallery")
async def gallery(request: Request) -> Response:
    return _page(request, "gallery")


@router.get("/gallery/form")
async def form(request: Request) -> Response:
    return _page(request, "form", typed={})


@router.post("/gallery/form")
async def save(request: Request, name: Annotated[str, Form()] = "", about: Annotated[str, Form()] = "") -> Response:
    if not name.strip():
        typed = {"name": name, "about": about}
        return _page(request, "form", 422, typed=typed, errors={"name": "Give it a name."})
    return redirect(request, "/gallery/form", toast=Toast(f"Saved {name}.", undo="/gallery/undo"))


@router.post("/gallery/undo")
async def undo(request: Request) -> Response:
    return redirect(request, "/gallery/form", toast=Toast("It is as it was.", "info"))


@router.get("/gallery/part")
async def part(request: Request) -> Response:
    return _page(request, "part")


@router.post("/gallery/away")
async def away(request: Request) -> Response:
    raise Unavailable("The database does not answer.")


def add_gallery(app: FastAPI) -> None:
    app.include_router(router)
