"""Where tools and knowledge come from, as the core sees it: addresses that somebody gave, MCP servers, documents.

Protocols and the values that cross them, like those of ports.py. No implementation here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue


@dataclass(frozen=True)
class WebRequest:
    """``headers`` may hold secrets, which go to this address's own host and to no other."""

    method: str
    url: str = field(repr=False)
    """May hold a secret too, in its query."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class WebAnswer:
    url: str = field(repr=False)
    """Where it came from, after redirects."""
    status: int
    headers: Mapping[str, str]
    """By lower-case names."""
    content: bytes = field(repr=False)


class Web(Protocol):
    """The public internet, and nothing else. Never retries; raises WebError's subclasses and nothing else."""

    async def request(
        self, request: WebRequest, *, time_limit: float, most_bytes: int, redirects: int = 0
    ) -> WebAnswer:
        """``time_limit``: seconds for all of it, redirects included. An answer of any status is an answer; one of more
        than ``most_bytes`` is refused."""


@dataclass(frozen=True)
class McpServer:
    """Where somebody's tools are, and what opens them. Lives for one call, is never logged."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """May hold secrets, which go to this address and to no other."""


@dataclass(frozen=True)
class McpTool:
    """A tool as its server describes it: all of it is a stranger's text, without control characters."""

    name: str
    """What the server calls it, in whatever letters."""
    description: str = field(repr=False)
    parameters: Mapping[str, JsonValue] = field(repr=False)
    """JSON Schema of an object."""
    result_schema: Mapping[str, JsonValue] | None = field(repr=False)
    """JSON Schema of ``McpResult.structured``, if the tool promises one."""
    digest: str
    """SHA-256 of all of the above; another one is another tool, whatever it is called."""


@dataclass(frozen=True)
class McpResult:
    text: str = field(repr=False)
    """What of it can be read; images, sounds and files are named, and are not in it."""
    structured: JsonValue = field(repr=False)
    """As the server sent it, held against no schema yet. None: nothing."""
    is_error: bool
    """The tool itself says that it failed, and ``text`` says why."""


class Mcp(Protocol):
    """Servers of the Model Context Protocol. Never retries; raises what is said here and nothing else."""

    async def tools(self, server: McpServer, *, time_limit: float) -> list[McpTool]:
        """In the server's order; those that are too large or malformed are left out. ``time_limit``: seconds in all.

        Raises:
            WebRefused: there is no MCP server, or it does not let us in.
            WebUnreachable: it may be tried again.
        """

    async def call(
        self,
        server: McpServer,
        tool: str,
        arguments: Mapping[str, JsonValue],
        *,
        time_limit: float,
        most_bytes: int,
        idempotency_key: str,
    ) -> McpResult:
        """``tool``: the server's own name of it. ``most_bytes``: of the answer as it is sent, encoded images included.

        Raises:
            WebRefused: it may not be asked, or its answer may not be taken in; the sentence says if it may have acted.
            WebUnreachable: the tool was certainly not called.
            WebUncertain: the tool may have been called.
            ToolFailed: the server says that the call is wrong or went wrong, in words of its own.
        """


@dataclass(frozen=True)
class Section:
    """A part of a document under one heading, as plain text with Markdown for lists and tables."""

    headings: tuple[str, ...]
    """From the outermost to its own."""
    text: str
    page: int | None = None
    """Where it begins, in what has pages; counted from 1."""


@dataclass(frozen=True)
class ReadDocument:
    title: str
    """What the document calls itself, or else its name."""
    media_type: str
    """What it is, whatever it was said to be."""
    sections: tuple[Section, ...] = field(repr=False)


class DocumentReader(Protocol):
    async def read(self, content: bytes, *, name: str, media_type: str | None = None) -> ReadDocument:
        """``media_type``: what whoever sent it says it is, which is no more than a hint.

        Raises:
            Unreadable: what is in it cannot be read, with a sentence that an operator understands.
        """
