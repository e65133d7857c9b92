"""Usage, cost and outcomes."""

from fastapi import APIRouter

router = APIRouter()
