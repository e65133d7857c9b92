"""What the doctor makes of settings that cannot be used. Parts that are away are the acceptance tests' business."""

from pydantic import SecretStr

from konstruct import doctor
from konstruct.settings import Settings


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
