"""Tools: what employees can do besides talking."""

from fastapi import APIRouter

router = APIRouter()
