"""Who asks, by the key in the request; whether the key is good for what is asked; and how often it may ask."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from konstruct import api_keys
from konstruct.api_keys import Principal, Scope
from konstruct.db import Database
from konstruct.errors import NotAllowed, TooMany, Unauthentic
from konstruct.ports import Limit, Limiter

LIMIT: Final = Limit(600, timedelta(minutes=1))

_BEARER: Final = HTTPBearer(auto_error=False, description="A key made with `konstruct api-key create`.")


class Access:
    def __init__(self, database: Database, limiter: Limiter, limit: Limit) -> None:
        self._database = database
        self._limiter = limiter
        self._limit = limit

    async def authenticate(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> Principal:
        """Raises Unauthentic, and TooMany for a key that is used too often."""
        if credentials is None:
            raise Unauthentic(
                "Send an API key: Authorization: Bearer kst_… It is made with `konstruct api-key create`."
            )
        caller = await api_keys.find(self._database, credentials.credentials)
        bucket = f"api:{{{caller.tenant_id}}}:{caller.key_id}"
        verdict = await self._limiter.check(request.state.request_id, [("key", bucket, self._limit)])
        if not verdict.allowed:
            raise TooMany("This key is used too often: wait as long as Retry-After says.", verdict.retry_after)
        return caller

    def needs(self, *scopes: Scope) -> Any:
        """For a route's argument that says who asks: with a key that has none of the scopes the route is never run."""

        async def check(caller: Annotated[Principal, Depends(self.authenticate)]) -> Principal:
            if not set(scopes) & set(caller.scopes):
                raise NotAllowed(f"This needs a key with the scope {' or '.join(scopes)}, which yours lacks.")
            return caller

        return Security(check, scopes=scopes)
