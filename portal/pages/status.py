"""Whether it runs: for machines in a word, for anybody as a page that names no tenant."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from portal.access import anybody
from portal.rendering import render
from portal.services import services
from portal.status import Inquiry

router = APIRouter(dependencies=[Depends(anybody())])


@router.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/status")
async def status(request: Request) -> Response:
    settings = services(request).settings
    # Only a running stack, or a person who sets it, knows that there is a UI at this port.
    has_temporal_ui = "temporal_ui_port" in settings.model_fields_set
    return render(
        request,
        "pages/status.html",
        report=await _inquiry(request).status(),
        temporal_ui=f"http://127.0.0.1:{settings.temporal_ui_port}" if has_temporal_ui else None,
    )


def _inquiry(request: Request) -> Inquiry:
    """One for all who ask, so that however many do, the parts are asked once."""
    state = request.app.state
    if not hasattr(state, "inquiry"):
        state.inquiry = Inquiry(services(request).settings)
    found = state.inquiry
    assert isinstance(found, Inquiry)  # noqa: S101  # Put there above.
    return found
