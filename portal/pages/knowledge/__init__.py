"""Knowledge: sources and documents, how far they are read, and questions tried on them."""

from fastapi import APIRouter

router = APIRouter()
