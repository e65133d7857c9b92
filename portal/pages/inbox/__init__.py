"""The inbox: conversations that need a person, and what agents do with them."""

from fastapi import APIRouter

router = APIRouter()
