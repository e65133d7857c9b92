"""The stream by which an open inbox hears that something is new."""

from fastapi import APIRouter

router = APIRouter(prefix="/t/{tenant}/inbox")
