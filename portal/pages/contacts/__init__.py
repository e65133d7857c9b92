"""Contacts: who writes in, what is remembered of them, and how it is forgotten."""

from fastapi import APIRouter

router = APIRouter()
