"""The settings of satisfaction: off by default, chosen by who may, kept as it was typed where it is wrong."""

import httpx

from konstruct.satisfaction import terms
from konstruct.satisfaction.terms import Terms
from tests.portal.channels import sign_in
from tests.support.members import enrolled
from tests.support.office import Office


async def chosen(office: Office) -> Terms:
    async with office.session() as session:
        return await terms.read(session)


async def test_an_admin_chooses_it(portal: httpx.AsyncClient, office: Office) -> None:
    admin = await enrolled(office.database, office.vault, "admin", office.tenant_id)
    sign_in(portal, admin)
    here = f"/t/{admin.slug}/settings/satisfaction"
    assert "Ask how people were helped" in (await portal.get(here)).text
    data = {
        "enabled": "on",
        "after_quiet": "on",
        "quiet_minutes": "45",
        "every_days": "",
        "question": " Quick? ",
    }
    answer = await portal.post(here, data=data)
    assert answer.status_code == 303
    assert await chosen(office) == Terms(
        enabled=True, after_person=False, after_quiet=True, quiet_minutes=45, every_days=7, question="Quick?"
    )
    await portal.post(here, data={"after_person": "on", "after_quiet": "on"})
    assert not (await chosen(office)).enabled


async def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_lost(
    portal: httpx.AsyncClient, office: Office
) -> None:
    owner = await enrolled(office.database, office.vault, "owner", office.tenant_id)
    sign_in(portal, owner)
    data = {"enabled": "on", "after_quiet": "on", "quiet_minutes": "soon", "every_days": "0", "question": "Keep me"}
    answer = await portal.post(f"/t/{owner.slug}/settings/satisfaction", data=data)
    assert answer.status_code == 422
    for kept in ('value="soon"', "Keep me", 'href="#f-quiet_minutes"', 'href="#f-every_days"'):
        assert kept in answer.text
    assert not (await chosen(office)).enabled


async def test_an_agent_chooses_nothing(portal: httpx.AsyncClient, office: Office) -> None:
    agent = await enrolled(office.database, office.vault, "agent", office.tenant_id)
    sign_in(portal, agent)
    answer = await portal.post(f"/t/{agent.slug}/settings/satisfaction", data={"enabled": "on", "after_quiet": "on"})
    assert answer.status_code == 403
    assert not (await chosen(office)).enabled
