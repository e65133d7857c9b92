"""The list of employees: of a draft or a version, whichever people see, and without all that is written in them."""

from konstruct.db import Database
from konstruct.designs import drafting, listing
from konstruct.vault import Vault
from tests.support.crowds import statements
from tests.support.office import open_office


async def test_the_list_reads_what_it_shows_and_no_instructions(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    async with office.session() as session:
        draft = {"name": "Zoë", "role": "Sales", "system_prompt": "Sell."}
        await drafting.create(session, office.tenant_id, draft, actor="user:0")
    with statements(database) as ran:
        async with office.session() as session:
            found = await listing.employees(session)
    new = found[-1]
    assert (new.name, new.role, new.has_draft, new.published_version) == ("Zoë", "Sales", True, 0)
    assert found[0].published_version == 1
    assert found[0].published_at is not None
    assert not [statement for statement, _ in ran if "system_prompt" in statement]
