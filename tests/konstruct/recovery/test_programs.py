"""Where the database is, as an operator writes it, is understood outside of the product's own sessions, too."""

from pydantic import SecretStr
from sqlalchemy import make_url

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.recovery import programs


def with_ssl(postgres: Postgres, wanted: str) -> SecretStr:
    url = make_url(postgres.owner_url).update_query_dict({"ssl": wanted})
    return SecretStr(url.render_as_string(hide_password=False))


async def test_one_address_with_a_wish_for_tls_serves_sessions_and_copies(postgres: Postgres) -> None:
    url = with_ssl(postgres, "disable")
    opened = Database(url)
    async with opened.system_session():
        pass
    await opened.close()
    async with programs.connected(url) as connection:
        assert await connection.fetchval("select 1") == 1
