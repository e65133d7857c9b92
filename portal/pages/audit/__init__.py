"""The audit trail: found, shown, checked and exported."""

from fastapi import APIRouter

router = APIRouter()
