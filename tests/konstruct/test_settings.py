import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from konstruct.errors import Misconfigured
from konstruct.settings import STACK_FILE, Settings, needed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only settings there are: a data folder."""
    for variable in [*Settings.model_fields, "data_dir"]:
        monkeypatch.delenv(f"KONSTRUCT_{variable.upper()}", raising=False)
    monkeypatch.setenv("KONSTRUCT_DATA_DIR", str(tmp_path))
    return tmp_path


def write_stack(folder: Path, **fields: object) -> None:
    (folder / STACK_FILE).write_text(json.dumps(fields))


def test_without_anything_set_nothing_is_connected(folder: Path) -> None:
    settings = Settings()
    assert (settings.database_url, settings.redis_url, settings.temporal_address) == (None, None, None)
    assert (settings.encryption_keys, settings.default_models) == ((), ())
    assert (settings.gateway_url, settings.portal_url) == ("http://127.0.0.1:8000", "http://127.0.0.1:8080")


def test_an_address_of_six_is_a_url_too(folder: Path) -> None:
    assert Settings(portal_host="::1").portal_url == "http://[::1]:8080"


def test_a_running_stack_is_found(folder: Path) -> None:
    write_stack(folder, temporal_address="127.0.0.1:7777", encryption_keys="one,two", default_models=["local/smollm2"])
    settings = Settings()
    assert settings.temporal_address == "127.0.0.1:7777"
    assert settings.encryption_keys == (SecretStr("one"), SecretStr("two"))
    assert settings.default_models == ("local/smollm2",)


def test_a_variable_wins_over_the_stack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(folder, temporal_address="127.0.0.1:7777", gateway_port=9000)
    monkeypatch.setenv("KONSTRUCT_TEMPORAL_ADDRESS", "temporal.example:7233")
    settings = Settings()
    assert (settings.temporal_address, settings.gateway_port) == ("temporal.example:7233", 9000)


def test_an_empty_variable_is_as_good_as_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(folder, temporal_address="127.0.0.1:7777")
    for variable in ("TEMPORAL_ADDRESS", "REDIS_URL", "GATEWAY_PORT", "ENCRYPTION_KEYS"):
        monkeypatch.setenv(f"KONSTRUCT_{variable}", "")
    settings = Settings()
    assert (settings.temporal_address, settings.redis_url) == ("127.0.0.1:7777", None)
    assert (settings.gateway_port, settings.encryption_keys) == (8000, ())


def test_lists_are_written_with_commas(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONSTRUCT_DEFAULT_MODELS", " anthropic/claude-sonnet-4-6 , local/smollm2 ,")
    monkeypatch.setenv("KONSTRUCT_ENCRYPTION_KEYS", "new, old")
    settings = Settings()
    assert settings.default_models == ("anthropic/claude-sonnet-4-6", "local/smollm2")
    assert [key.get_secret_value() for key in settings.encryption_keys] == ["new", "old"]


def test_a_vendors_own_variable_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("DATABASE_URL", "postgresql://canary")
    settings = Settings()
    assert (settings.openai_api_key, settings.database_url) == (None, None)


def test_no_secret_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in Settings.model_fields.items():
        if "SecretStr" in str(field.annotation):
            monkeypatch.setenv(f"KONSTRUCT_{name.upper()}", f"canary-{name}")
    settings = Settings()
    assert settings.database_url == SecretStr("canary-database_url")
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("variable", "value"), [("LOG_FORMAT", "xml"), ("LOG_LEVEL", "loud"), ("GATEWAY_PORT", "http")]
)
def test_what_cannot_be_used_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"KONSTRUCT_{variable}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_what_is_missing_is_named() -> None:
    assert needed("there", "KONSTRUCT_REDIS_URL") == "there"
    with pytest.raises(Misconfigured, match="KONSTRUCT_REDIS_URL is not set"):
        needed(None, "KONSTRUCT_REDIS_URL")


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_providers_to_sign_in_with_are_a_list_and_known_ones_need_no_more_than_their_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"key": "keycloak", "issuer": "https://id.example.com/realms/staff", "client_id": "a", "client_secret": "b"}
    known = {"key": "google", "client_id": "c", "client_secret": "canary"}
    monkeypatch.setenv("KONSTRUCT_OIDC_PROVIDERS", json.dumps([own, known]))
    first, second = Settings().oidc_providers
    assert (first.title, first.issuer) == ("Keycloak", "https://id.example.com/realms/staff")
    assert (second.title, second.issuer) == ("Google", "https://accounts.google.com")
    assert "canary" not in repr(second)


@pytest.mark.parametrize(
    "wrong", [{"issuer": "http://id.example.com"}, {"issuer": ""}, {"key": "../x"}, {"client_id": ""}, {"isuer": "x"}]
)
def test_a_provider_that_could_not_be_trusted_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    own = {"key": "own", "issuer": "https://id.example.com", "client_id": "a", "client_secret": "b"}
    monkeypatch.setenv("KONSTRUCT_OIDC_PROVIDERS", json.dumps([{**own, **wrong}]))
    with pytest.raises(ValidationError):
        Settings()
