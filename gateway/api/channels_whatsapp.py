"""Routes for connecting a WhatsApp number: its values are asked of Meta first, and kept only when they are good."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, SecretStr

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.channels import Channel, employee_called
from gateway.api.outside import Outside
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, pacing
from konstruct.api_keys import Principal
from konstruct.connecting import overview, serving, whatsapp_numbers
from konstruct.connecting.whatsapp_checks import Findings, Values
from konstruct.db import Database
from konstruct.errors import Mistakes
from konstruct.ports import Limiter
from konstruct.vault import Vault

Secret = Annotated[SecretStr | None, Field(max_length=2_000)]


class Number(Given):
    phone_number_id: Annotated[str, Field(max_length=100)] = ""
    waba_id: Annotated[str, Field(max_length=100, description="Of the WhatsApp Business Account.")] = ""
    access_token: Annotated[Secret, Field(description="Of a system user. Kept sealed, and never shown again.")] = None
    app_secret: Annotated[Secret, Field(description="Of a Meta app of your own, if the token is of one.")] = None
    template: Annotated[
        str, Field(max_length=600, description="name/language: sent where somebody may not be written to any more.")
    ] = ""

    def values(self) -> Values:
        return Values(
            access_token=self.access_token,
            phone_number_id=self.phone_number_id.strip(),
            waba_id=self.waba_id.strip(),
            app_secret=self.app_secret,
            template=self.template.strip(),
        )


class NewNumber(Number):
    employee: Annotated[str, Field(max_length=100, description="The key of who is to answer.")]
    functions: Annotated[list[str], Field(min_length=1, max_length=100, description="What the number is for.")]


class Subscribing(Given):
    waba_id: Annotated[str, Field(pattern="^[0-9]{5,30}$")]
    access_token: Annotated[SecretStr, Field(max_length=2_000)]


class Check(Shown):
    state: str = Field(description="ok, warning, failed, or waiting for another value.")
    says: str


class Template(Shown):
    name: str
    language: str


class Found(BaseModel):
    is_good: bool = Field(description="Whether the number can be connected.")
    checks: dict[str, Check] = Field(description="By the values' names.")
    number: str | None = Field(description="As people dial it.")
    templates: list[Template] = Field(description="Those that can be sent.")
    webhook: str = Field(description="What the Meta app has to be told as the address of its webhook.")
    verify_token: str | None = Field(description="What it has to be told as the verify token.")


def router(access: Access, database: Database, vault: Vault, limiter: Limiter, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/channels/whatsapp", tags=["channels"])

    @routes.post("/check", openapi_extra=shapes.takes(Number))
    async def check_number(caller: Annotated[Principal, access.needs("channels:write")], request: Request) -> Found:
        """Asks Meta about each value. Nothing is kept."""
        values = (await shapes.read(request, Number)).values()
        found = await findings(caller, values)
        site = f"{outside.settings.gateway_address}/whatsapp"
        token = outside.settings.whatsapp_verify_token
        return Found(
            is_good=found.is_good,
            checks={name: Check.model_validate(check) for name, check in found.checks.items()},
            number=found.number.display_phone_number if found.number else None,
            templates=[Template.model_validate(each) for each in found.templates],
            webhook=f"{site}/{values.phone_number_id}" if values.app_secret else site,
            verify_token=token.get_secret_value() if token else None,
        )

    @routes.post("/subscribe", status_code=204, openapi_extra=shapes.takes(Subscribing))
    async def subscribe(caller: Annotated[Principal, access.needs("channels:write")], request: Request) -> None:
        """Has Meta tell the token's app of the account's messages."""
        given = await shapes.read(request, Subscribing)
        await pacing.count(limiter, caller.tenant_id, pacing.WHATSAPP_CHECKS)
        await outside.whatsapp.subscribe(given.access_token, given.waba_id)

    @routes.post("", status_code=201, openapi_extra=shapes.takes(NewNumber))
    async def connect_number(caller: Annotated[Principal, access.needs("channels:write")], request: Request) -> Channel:
        """Connects it, or its connection anew, once Meta has said that all values are good."""
        given = await shapes.read(request, NewNumber)
        values, lines = given.values(), "\n".join(given.functions)
        found = await findings(caller, values)
        if wrong := whatsapp_numbers.mistakes(found, lines):
            raise Mistakes(wrong)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            connection_id: UUID = await whatsapp_numbers.connect(
                *(session, vault, caller.tenant_id, values, found),
                functions=serving.read_functions(lines),
                employee_id=await employee_called(session, given.employee),
                actor=actor,
            )
            return Channel.of(await overview.one(session, connection_id))

    async def findings(caller: Principal, values: Values) -> Findings:
        if values.access_token is not None:
            await pacing.count(limiter, caller.tenant_id, pacing.WHATSAPP_CHECKS)
        secrets = outside.settings.whatsapp_app_secret
        return await whatsapp_numbers.findings(database, outside.whatsapp, caller.tenant_id, values, secrets)

    return routes
