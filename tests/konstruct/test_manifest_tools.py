"""The sections of a manifest about tools, knowledge, approvals and time: what is read, and what is said of mistakes."""

from datetime import timedelta
from pathlib import Path

import pytest

from konstruct import manifest
from konstruct.errors import BadInput
from konstruct.manifest import Manifest
from konstruct.manifest.sections import HttpTool, McpTools

SHOP = """\
tenant: acme
name: Acme Bikes
time_zone: Europe/Vienna
approvals:
  connection: main-slack
  channel: C024BE91L
  deciders: [U024BE7LH]
  expires_after: 2 days
tools:
  order-status:
    kind: http
    description: Says where an order is.
    url: https://shop.example.com/orders/{order}
    parameters:
      type: object
      properties: {order: {type: string}}
      required: [order]
    auth: {kind: bearer}
    secret: ${SHOP_KEY}
    result: order.state
    timeout_seconds: 20
  wipe:
    kind: http
    description: Wipes.
    url: https://shop.example.com/wipe
    method: DELETE
    risk: irreversible
  crm:
    kind: mcp
    url: https://crm.example.com/mcp
    secret: ${CRM_TOKEN}
    tools:
      find_customer: {risk: reads}
      drop: {risk: irreversible}
knowledge:
  handbook:
    kind: files
  site:
    kind: sitemap
    title: Our site
    url: https://acme.example.com/sitemap.xml
    every: 6 hours
    trusted: true
employees:
  ada:
    name: Ada
    role: Front desk
    system_prompt: Be brief.
    tools:
      - order-status
      - search_knowledge
      - name: crm/find_customer
        approval: after_untrusted
    knowledge: [handbook, site]
    caps: {steps: 4, cost: "0.25"}
connections:
  main-slack:
    kind: slack
    bot_token: ${BOT_TOKEN}
    employee: ada
  test: {kind: console, employee: ada}
"""
ENVIRON = {"SHOP_KEY": "shop-canary", "CRM_TOKEN": "crm-canary", "BOT_TOKEN": "xoxb-canary"}


def parse(text: str) -> Manifest:
    return manifest.parse(text, "tenant.yaml", ENVIRON)


def changed(old: str, new: str) -> str:
    assert SHOP.count(old) == 1
    return SHOP.replace(old, new)


def complaints(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse(text)
    return [line.removeprefix("tenant.yaml:") for line in str(caught.value).splitlines()]


def test_tools_are_read_and_stored_with_what_is_not_usual() -> None:
    acme = parse(SHOP)
    look, crm = acme.tools["order-status"], acme.tools["crm"]
    assert isinstance(look, HttpTool)
    assert look.secret is not None
    assert look.secret.get_secret_value() == "shop-canary"
    assert look.content() == {
        "description": "Says where an order is.",
        "risk": "reads",
        "request": {
            "url": "https://shop.example.com/orders/{order}",
            "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
            "auth": {"kind": "bearer"},
            "result": "order.state",
            "timeout_seconds": 20.0,
        },
    }
    assert acme.tools["wipe"].content()["risk"] == "irreversible"
    assert isinstance(crm, McpTools)
    assert crm.content() == {
        "url": "https://crm.example.com/mcp",
        "tools": {"find_customer": {"risk": "reads"}, "drop": {"risk": "irreversible"}},
    }
    assert "canary" not in f"{acme!r}{look.content()}{crm.content()}"


@pytest.mark.parametrize(("method", "risk"), [("GET", "reads"), ("POST", "changes"), ("PUT", "changes")])
def test_what_only_gets_something_reads_and_all_else_changes(method: str, risk: str) -> None:
    text = changed("    method: DELETE\n    risk: irreversible\n", f"    method: {method}\n")
    assert parse(text).tools["wipe"].content()["risk"] == risk


def test_an_employees_tools_come_by_name_or_with_an_approval() -> None:
    content = parse(SHOP).employees["ada"].content()
    assert content["tools"] == [
        {"name": "order-status"},
        {"name": "search_knowledge"},
        {"name": "crm/find_customer", "approval": "after_untrusted"},
    ]
    assert (content["knowledge"], content["caps"]) == (["handbook", "site"], {"steps": 4, "cost": "0.25"})


def test_approvals_zone_and_knowledge_are_read() -> None:
    acme = parse(SHOP)
    assert acme.time_zone == "Europe/Vienna"
    assert acme.approvals.content() == {
        "connection": "main-slack",
        "channel": "C024BE91L",
        "deciders": ["U024BE7LH"],
        "expires_after_seconds": 172_800,
    }
    site = acme.knowledge["site"]
    assert (site.kind, site.title, site.every, site.trusted) == ("sitemap", "Our site", timedelta(hours=6), True)
    assert (acme.knowledge["handbook"].url, acme.knowledge["handbook"].trusted) == (None, False)


def test_without_these_sections_nothing_is_set() -> None:
    plain = parse("tenant: acme\nname: A\nemployees: {ada: {name: Ada, role: R, system_prompt: S}}\n")
    assert (plain.time_zone, plain.approvals.content(), plain.tools, plain.knowledge) == ("UTC", {}, {}, {})
    content = plain.employees["ada"].content()
    assert (content["tools"], content["knowledge"], content["caps"]) == ([], [], {})


SECRET = "    secret: ${SHOP_KEY}\n"
AUTH = "    auth: {kind: bearer}\n"
FIRST = "      - order-status\n"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Europe/Vienna", "Vienna", "3: time_zone: must be a time zone as the IANA names it, such as Europe/Vienna"),
        ("Europe/Vienna", "../etc/passwd", "3: time_zone: must be a time zone as the IANA names it"),
        ("Europe/Vienna", "[UTC]", "3: time_zone: must be text"),
        ("  channel: C024BE91L\n", "", "4: approvals: needs both connection and channel, or neither"),
        ("  connection: main-slack\n", "", "4: approvals: needs both connection and channel, or neither"),
        ("connection: main-slack", "connection: test", "5: approvals.connection: is no Slack connection of this file"),
        ("connection: main-slack", "connection: x", "5: approvals.connection: is no Slack connection of this file"),
        ("C024BE91L", "general", "6: approvals.channel: must be a channel's id such as C024BE91L, not its name"),
        ("[U024BE7LH]", "[ada]", "7: approvals.deciders[0]: must be a user's id such as U012AB3CD"),
        ("[U024BE7LH]", "U024BE7LH", "7: approvals.deciders: must be a list"),
        ("2 days", "two days", "8: approvals.expires_after: must be a time such as 30 minutes, 6 hours or 3 days"),
        ("2 days", "0 days", "8: approvals.expires_after: must be a time such as"),
        ("2 days", "2", "8: approvals.expires_after: must be a time such as"),
        ("expires_after", "expires_afer", '8: approvals.expires_afer: unknown field; did you mean "expires_after"?'),
        (
            "kind: http\n    description: Says",
            "description: Says",
            "10: tools.order-status.kind: must be one of http, mcp",
        ),
        ("kind: mcp", "kind: mpc", "29: tools.crm.kind: must be one of http, mcp"),
        ("Says where an order is.", '""', "12: tools.order-status.description: is empty"),
        ("orders/{order}", "orders/{id}", "10: tools.order-status: url: {id} is none of the parameters' properties"),
        ("https://shop.example.com/orders", "ftp://shop", "13: tools.order-status.url: must be https://host/path"),
        ("type: object\n", "type: list\n", "14: tools.order-status.parameters: must be the JSON Schema of an object"),
        ("required: [order]", "required: order", "14: tools.order-status.parameters: is no JSON Schema: at $.required"),
        ("kind: bearer", "kind: header", "18: tools.order-status.auth: name is for header and query, which need it"),
        (
            "kind: bearer",
            "kind: bear",
            "18: tools.order-status.auth.kind: must be none, bearer, basic, header or query",
        ),
        ("kind: bearer", "kin: bearer", '18: tools.order-status.auth.kin: unknown field; did you mean "kind"?'),
        (SECRET, "", "10: tools.order-status.secret: is missing: auth says where it goes"),
        (AUTH, "", "18: tools.order-status.secret: is given, and auth says not where it goes"),
        (SECRET, "    secret: ${NO}\n", "19: tools.order-status.secret: the environment variable NO is not set"),
        (SECRET, "    secret: a${SHOP_KEY}\n", "19: tools.order-status.secret: must be ${NAME} alone"),
        ("order.state", "order.[[", "20: tools.order-status.result: is no JMESPath expression, from character 9 on"),
        ("timeout_seconds: 20", "timeout_seconds: 0", "21: tools.order-status.timeout_seconds: must be more than 0"),
        ("timeout_seconds: 20", "timeout_seconds: 121", "21: tools.order-status.timeout_seconds: must be at most 120"),
        ("timeout_seconds: 20", "timeout_seconds: long", "21: tools.order-status.timeout_seconds: must be a number"),
        (
            "  wipe:\n",
            "  remember:\n",
            "22: tools.remember: is what a built-in tool is called; give it a name of its own",
        ),
        ("  wipe:\n", "  Wipe:\n", "22: tools.Wipe: must be lower-case letters, digits and hyphens"),
        ("method: DELETE", "method: DROP", "26: tools.wipe.method: must be GET, POST, PUT, PATCH or DELETE"),
        ("    method: DELETE", "    methd: DELETE", '26: tools.wipe.methd: unknown field; did you mean "method"?'),
        (
            "irreversible\n  crm",
            "deadly\n  crm",
            "27: tools.wipe.risk: must be harmless, reads, memory, changes, sends or",
        ),
        (
            "https://crm.example.com/mcp",
            "mcp",
            "30: tools.crm.url: must be an address such as https://example.com/page",
        ),
        ("{risk: reads}", "{risk: reading}", "33: tools.crm.tools.find_customer.risk: must be harmless, reads, memory"),
        (
            "    tools:\n      find",
            "    auth: {kind: header}\n    tools:\n      find",
            "32: tools.crm.auth: name is for header",
        ),
        (
            "    tools:\n      find",
            "    auth: {kind: header, name: a b}\n    tools:\n      find",
            "32: tools.crm.auth.name: must be a header's name",
        ),
        ("kind: files", "kind: page", "36: knowledge.handbook.url: is for a page or a sitemap, which need it"),
        ("kind: files", "kind: file", "37: knowledge.handbook.kind: must be files, page or sitemap"),
        ("    title: Our", "    titel: Our", '40: knowledge.site.titel: unknown field; did you mean "title"?'),
        ("https://acme.example.com/sitemap.xml", "acme", "41: knowledge.site.url: must be an address such as"),
        ("6 hours", "6", "42: knowledge.site.every: must be a time such as 30 minutes, 6 hours or 3 days"),
        ("trusted: true", "trusted: sure", "43: knowledge.site.trusted: must be true or false"),
        (
            FIRST,
            "      - order-statsu\n",
            '50: employees.ada.tools[0].name: there is no such tool; did you mean "order-status"?',
        ),
        (FIRST, "      - crm\n", '50: employees.ada.tools[0].name: is a server: name one of its tools, as "crm/..."'),
        (FIRST, "      - read_result\n", "50: employees.ada.tools[0].name: there is no such tool"),
        (FIRST, "      - crn/find\n", "50: employees.ada.tools[0].name: there is no such tool"),
        (
            FIRST,
            "      - {name: wipe, approval: never}\n",
            "50: employees.ada.tools[0].approval: must be always: what this tool",
        ),
        (
            FIRST,
            "      - {name: crm/drop, approval: after_untrusted}\n",
            "50: employees.ada.tools[0].approval: must be always",
        ),
        (
            "after_untrusted",
            "sometimes",
            "53: employees.ada.tools[2].approval: must be always, after_untrusted or never",
        ),
        ("name: crm/f", "nam: crm/f", "52: employees.ada.tools[2].name: is missing"),
        (
            "[handbook, site]",
            "[handbok]",
            '54: employees.ada.knowledge[0]: there is no such source of knowledge; did you mean "handbook"?',
        ),
        ("steps: 4", "steps: 0", "55: employees.ada.caps.steps: must be at least 1"),
        ("steps: 4", "steps: 31", "55: employees.ada.caps.steps: must be at most 30"),
        ("steps: 4", "steps: many", "55: employees.ada.caps.steps: must be a whole number"),
        ("steps: 4", "stps: 4", '55: employees.ada.caps.stps: unknown field; did you mean "steps"?'),
        ('"0.25"', "0.25", "55: employees.ada.caps.cost: must be text; if it looks like a number, put it in quotes"),
        ('"0.25"', '"free"', "55: employees.ada.caps.cost: must be US dollars, such as 0.50"),
    ],
)
def test_what_cannot_be_used_is_told_with_line_and_field(old: str, new: str, complaint: str) -> None:
    assert complaint in [line[: len(complaint)] for line in complaints(changed(old, new))]


@pytest.mark.parametrize(
    "text",
    [
        changed(SECRET, "    secret: [my-canary]\n"),
        changed(SECRET, "    secret: {a: my-canary}\n"),
        changed(SECRET, "    secret: my-canary${SHOP_KEY}\n"),
        changed("    secret: ${CRM_TOKEN}", "    sekret: my-canary"),
        changed("kind: bearer", "kind: my-canary"),
        changed("https://shop.example.com/orders", "https://me:my-canary@shop.example.com/orders"),
        changed("https://crm.example.com/mcp", "https://me:my-canary@crm.example.com/mcp"),
        changed(FIRST, "      - my-canary\n"),
        changed("[U024BE7LH]", "[my-canary]"),
        changed("Europe/Vienna", "my-canary"),
        changed("6 hours", "my-canary"),
        changed("{risk: reads}", "my-canary"),
        changed("    auth: {kind: bearer}\n", '    auth: {kind: bearer}\n    headers: {X-Key: "my-canary\\u00e9"}\n'),
    ],
)
def test_no_complaint_quotes_what_may_be_a_secret(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in str(error)
        error = error.__cause__ or error.__context__


def test_the_example_shows_each_of_these_sections() -> None:
    example = Path(__file__).parents[2] / "docs" / "tenant.example.yaml"
    environ = {"ACME_SLACK_BOT_TOKEN": "xoxb-1", "ACME_SHOP_KEY": "sk", "ACME_CRM_TOKEN": "ct"}
    acme = manifest.read(example, environ)
    assert {tool.kind for tool in acme.tools.values()} == {"http", "mcp"}
    assert {source.kind for source in acme.knowledge.values()} == {"files", "page", "sitemap"}
    assert acme.approvals.content().keys() == {"connection", "channel", "deciders", "expires_after_seconds"}
    chosen = [tool for employee in acme.employees.values() for tool in employee.tools]
    assert {tool.approval for tool in chosen} > {None}
    assert any(employee.caps.steps for employee in acme.employees.values())
