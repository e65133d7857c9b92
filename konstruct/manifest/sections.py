"""The sections of a manifest."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator
from pydantic_core import PydanticCustomError

from konstruct.escalation.rules import Rules
from konstruct.manifest.desk import OVERLAPS, Hours
from konstruct.manifest.fields import (
    ONE_LINE,
    AppId,
    BotId,
    BotToken,
    ChannelId,
    Duration,
    EmployeeKey,
    EnterpriseId,
    Functions,
    Key,
    Language,
    LimitText,
    Line,
    MetaId,
    ModelName,
    Secret,
    Section,
    SourceKey,
    TeamId,
    TemplateLanguage,
    TemplateName,
    ToolName,
    UserId,
    like,
)
from konstruct.tools.http import HttpToolDefinition
from konstruct.tools.policy import Approval, Risk

_URL: Final = like(r"https?://[^\s@]+", "must be an address such as https://example.com/page")
Days = Annotated[int, Field(ge=1, le=3_650)]
_COST: Final = like(r"[0-9]{1,4}(\.[0-9]{1,4})?", "must be US dollars, such as 0.50")


class Limits(Section):
    tenant: LimitText | None = None
    connection: LimitText | None = None
    contact: LimitText | None = None


class EmployeeTool(Section):
    """Its name alone does as well."""

    name: ToolName
    approval: Approval | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: object) -> object:
        return {"name": data} if isinstance(data, str) else data


class Caps(Section):
    """What one turn may take; see ``konstruct.employees.Caps`` for what holds without."""

    steps: Annotated[int, Field(ge=1, le=30)] | None = None
    cost: Annotated[str, _COST] | None = None


class Employee(Section):
    """Its fields are those of a published version, by the same names."""

    name: Line
    role: Annotated[str, Field(min_length=1, max_length=120), ONE_LINE]
    persona: Annotated[str, Field(max_length=2_000)] = ""
    system_prompt: Annotated[str, Field(min_length=1, max_length=20_000)]
    greeting: Annotated[str, Field(max_length=2_000)] = ""
    suggested_prompts: Annotated[list[Line], Field(max_length=4)] = []
    models: Annotated[list[ModelName], Field(max_length=10)] = []
    tools: Annotated[list[EmployeeTool], Field(max_length=100)] = []
    knowledge: Annotated[list[SourceKey], Field(max_length=100)] = []
    caps: Caps = Caps()
    escalation: Rules = []
    language: Language = ""
    """That it keeps to; whichever it is written to in where there is none."""
    hours: Hours | None = None
    """When it answers; always where there are none. The time zone is the tenant's where they name none."""
    away_reply: Annotated[str, Field(max_length=1_000)] = ""
    """What it says outside of them; ``{back}`` in it is when it is back."""

    @field_validator("hours")
    @classmethod
    def _check_hours(cls, value: Hours | None) -> Hours | None:
        if value is not None and (day := value.overlap()) is not None:
            raise PydanticCustomError("hours", "{told}", {"told": f"{day} {OVERLAPS}"})
        return value

    def content(self) -> dict[str, Any]:
        """As a version keeps it."""
        kept = self.model_dump(exclude={"tools", "caps", "escalation", "hours"})
        kept["hours"] = self.hours.model_dump(exclude_none=True, exclude_defaults=True) if self.hours else {}
        tools = [tool.model_dump(exclude_none=True) for tool in self.tools]
        rules = [rule.content() for rule in self.escalation]
        return kept | {"tools": tools, "caps": self.caps.model_dump(exclude_none=True), "escalation": rules}


class _Connection(Section):
    """What connections of every kind may say."""

    employee: EmployeeKey
    functions: Functions = []
    """What it is for, and what is answered there; all where there are none."""


class SlackConnection(_Connection):
    kind: Literal["slack"]
    bot_token: BotToken
    team_id: TeamId | None = None
    enterprise_id: EnterpriseId | None = None
    app_id: AppId | None = None
    bot_user_id: UserId | None = None
    bot_id: BotId | None = None
    channels: dict[ChannelId, EmployeeKey] = {}


class ReengageTemplate(Section):
    """What is sent where a contact may not be written to any more, so that they write again."""

    name: TemplateName
    language: TemplateLanguage


class WhatsAppConnection(_Connection):
    kind: Literal["whatsapp"]
    # Meta's terms want no assistant for everything there.
    functions: Annotated[Functions, Field(min_length=1)]
    phone_number_id: MetaId
    waba_id: MetaId
    display_phone_number: Annotated[str, like(r"\+?[0-9 ()-]{5,30}", "must be a phone number")] | None = None
    access_token: Secret
    app_secret: Secret | None = None
    """Of a Meta app of the tenant's own; without it notifications come through the deployment's."""
    reengage_template: ReengageTemplate | None = None


class ConsoleConnection(_Connection):
    kind: Literal["console"]


class HttpTool(Section, HttpToolDefinition):
    """A request that an employee may have made; what it is made of is ``HttpToolDefinition``'s."""

    kind: Literal["http"]
    description: Annotated[str, Field(min_length=1, max_length=2_000)]
    risk: Risk | None = None
    secret: Secret | None = None

    def content(self) -> dict[str, JsonValue]:
        """As it is stored."""
        request = self.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "description", "risk", "secret"})
        usual: Risk = "reads" if self.method in ("GET", "HEAD") else "changes"
        return {"description": self.description, "risk": self.risk or usual, "request": request}


class ServerTool(Section):
    risk: Risk = "sends"
    repeatable: bool | None = None
    """Whether calling it twice does no more than calling it once."""


class ServerAuth(Section):
    kind: Literal["bearer", "header"] = "bearer"
    name: Annotated[str, like(r"[A-Za-z0-9-]{1,100}", "must be a header's name")] | None = None

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if (self.kind == "header") != (self.name is not None):
            raise PydanticCustomError("auth", "name is for header, which needs it")
        return self


class McpTools(Section):
    """A server of the Model Context Protocol; ``tools`` says what is to be known of some that it offers."""

    kind: Literal["mcp"]
    url: Annotated[str, Field(max_length=2_000), _URL]
    auth: ServerAuth | None = None
    secret: Secret | None = None
    tools: dict[Annotated[str, Field(max_length=200)], ServerTool] = {}

    def content(self) -> dict[str, JsonValue]:
        """As it is stored."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"kind", "secret"})


class Source(Section):
    kind: Literal["files", "page", "sitemap"]
    title: Annotated[str, Field(max_length=200), ONE_LINE] = ""
    url: Annotated[str, Field(max_length=2_000), _URL] | None = None
    every: Duration | None = None
    trusted: bool = False
    """Whether nobody but the tenant writes what is in it."""


class Retention(Section):
    """Days for which things are kept; for good where nothing is said."""

    messages: Days | None = None
    files: Days | None = None
    memories: Days | None = None


class Approvals(Section):
    """Where people are asked, who of them may decide, and for how long it is waited."""

    connection: Key | None = None
    channel: ChannelId | None = None
    deciders: Annotated[list[UserId], Field(max_length=100)] = []
    expires_after: Duration | None = None

    def content(self) -> dict[str, Any]:
        """As it is stored."""
        kept = self.model_dump(exclude_defaults=True, exclude={"expires_after"})
        seconds = {"expires_after_seconds": int(self.expires_after.total_seconds())} if self.expires_after else {}
        return kept | seconds


KINDS: Final[dict[str, dict[str, type[Section]]]] = {
    "connections": {"slack": SlackConnection, "whatsapp": WhatsAppConnection, "console": ConsoleConnection},
    "tools": {"http": HttpTool, "mcp": McpTools},
}
"""Of what comes in several kinds, the section for each."""
