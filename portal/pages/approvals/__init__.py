"""Approvals: what employees wait to be allowed, what was decided, and what they ask colleagues."""

from fastapi import APIRouter

from portal.pages.approvals import deciding, questions

router = APIRouter()
for _part in (questions, deciding):
    router.include_router(_part.router)
