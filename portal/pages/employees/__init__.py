"""Employees: the list, the designer with its drafts, versions, and which channels each serves."""

from fastapi import APIRouter

from portal.pages.employees import acts, designer, listing, pictures, versions

router = APIRouter()
for _part in (listing, pictures, versions, acts, designer):
    router.include_router(_part.router)
