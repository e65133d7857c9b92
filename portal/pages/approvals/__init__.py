"""Approvals: what employees wait to be allowed, and what was decided."""

from fastapi import APIRouter

router = APIRouter()
