"""Routes of the team: who is in it, who is invited. A key may do what an admin may."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.outside import Outside
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, tenant_settings
from konstruct.accounts import factors, fields, inviting, team, throttle
from konstruct.accounts.permissions import Role
from konstruct.accounts.sessions import Client
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.ports import Limiter
from konstruct.vault import Vault


class TeamMember(BaseModel):
    user_id: UUID
    name: str
    email: str
    role: Role
    joined_at: datetime
    has_second_factor: bool


class Invitation(Shown):
    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


class Team(BaseModel):
    members: list[TeamMember] = Field(description="In the order in which they came.")
    invitations: list[Invitation] = Field(description="Those that were not taken up, the newest first.")


class NewInvitation(Given):
    email: Annotated[str, Field(max_length=300)]
    role: Annotated[Role, Field(description="An owner is invited by owners alone, in the portal.")] = "agent"


class NewRole(Given):
    role: Role


def router(access: Access, database: Database, vault: Vault, limiter: Limiter, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/team", tags=["team"])

    @routes.get("")
    async def show_team(caller: Annotated[Principal, access.needs("team:read")]) -> Team:
        async with database.tenant_session(caller.tenant_id) as session:
            with_factor = await factors.of_members(session)
            return Team(
                members=[
                    TeamMember(**vars(each), has_second_factor=each.user_id in with_factor)
                    for each in await team.members(session)
                ],
                invitations=[Invitation.model_validate(each) for each in await inviting.waiting(session)],
            )

    @routes.post("/invitations", status_code=202, openapi_extra=shapes.takes(NewInvitation))
    async def invite(caller: Annotated[Principal, access.needs("team:write")], request: Request) -> Invitation:
        """By mail. Invited again, the same person gets another link, and the one before opens nothing any more."""
        given = await shapes.read(request, NewInvitation)
        return await invited(caller, fields.email(given.email), given.role)

    @routes.post("/invitations/{invitation_id}/resend", status_code=202)
    async def resend_invitation(
        caller: Annotated[Principal, access.needs("team:write")], invitation_id: UUID
    ) -> Invitation:
        async with database.tenant_session(caller.tenant_id) as session:
            waiting = await inviting.find_waiting(session, invitation_id)
        return await invited(caller, waiting.email, waiting.role)

    @routes.delete("/invitations/{invitation_id}", status_code=204)
    async def withdraw_invitation(
        caller: Annotated[Principal, access.needs("team:write")], invitation_id: UUID
    ) -> None:
        async with database.tenant_session(caller.tenant_id) as session:
            by = team.program(caller.key_id, await api_keys.actor_of(session, caller.key_id))
            await inviting.withdraw(session, caller.tenant_id, by, invitation_id)

    @routes.put("/members/{user_id}/role", openapi_extra=shapes.takes(NewRole))
    async def change_role(
        caller: Annotated[Principal, access.needs("team:write")], user_id: UUID, request: Request
    ) -> TeamMember:
        given = await shapes.read(request, NewRole)
        async with database.tenant_session(caller.tenant_id) as session:
            by = team.program(caller.key_id, await api_keys.actor_of(session, caller.key_id))
            await team.change_role(session, caller.tenant_id, by, user_id, given.role)
        async with database.tenant_session(caller.tenant_id) as session:
            return await _member(session, user_id)

    @routes.delete("/members/{user_id}", status_code=204)
    async def remove_member(caller: Annotated[Principal, access.needs("team:write")], user_id: UUID) -> None:
        async with database.tenant_session(caller.tenant_id) as session:
            by = team.program(caller.key_id, await api_keys.actor_of(session, caller.key_id))
            await team.remove(session, caller.tenant_id, by, user_id)

    async def invited(caller: Principal, email: str, role: str) -> Invitation:
        await throttle.mail(limiter, Client("", ""), email, by=caller.key_id)
        async with database.tenant_session(caller.tenant_id) as session:
            by = team.program(caller.key_id, await api_keys.actor_of(session, caller.key_id))
            business = (await tenant_settings.read(session)).name
            site = outside.settings.portal_address
            await inviting.invite(session, vault, site, caller.tenant_id, by, business, email, role)
            found = next(each for each in await inviting.waiting(session) if each.email == email)
            return Invitation.model_validate(found)

    return routes


async def _member(session: AsyncSession, user_id: UUID) -> TeamMember:
    found = next((each for each in await team.members(session) if each.user_id == user_id), None)
    if found is None:
        raise NotFound("This person is not, or no longer, in the team.")
    return TeamMember(**vars(found), has_second_factor=user_id in await factors.of_members(session))
