"""Conversations: the list of all of them, and the whole of one."""

from fastapi import APIRouter

router = APIRouter()
