"""A bucket on loopback that speaks as much of S3 as is needed, and checks each request's signature (version 4)."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from aiohttp import web

from tests.support.http import serve


class S3Double:
    def __init__(self, *, key_id: str = "AKDOUBLE", secret: str = "s3-secret", bucket: str = "files") -> None:
        self.key_id, self.secret, self.bucket = key_id, secret, bucket
        self.objects: dict[str, bytes] = {}
        self.failures = 0
        """So many requests are still answered with 503."""
        self.requests: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{bucket}/{key:.*}", self._serve)
        async with serve(app) as self.url:
            yield

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(f"{request.method} {request.path}")
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        if not self._is_signed(request, body):
            return _error(403, "SignatureDoesNotMatch")
        if request.match_info["bucket"] != self.bucket:
            return _error(404, "NoSuchBucket")
        key = request.match_info["key"]
        if request.method == "PUT":
            self.objects[key] = body
            return web.Response(headers={"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'})
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return web.Response(status=204)
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        headers = {"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 00:00:00 GMT"}
        return web.Response(body=self.objects[key], headers=headers)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        key_id, day, region, service, _ = parts.get("Credential", "////").split("/")
        payload = request.headers.get("x-amz-content-sha256", "")
        if (scheme, key_id, service) != ("AWS4-HMAC-SHA256", self.key_id, "s3"):
            return False
        if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
            return False
        names = parts["SignedHeaders"].split(";")
        query = "&".join(sorted(f"{quote(name, '')}={quote(value, '')}" for name, value in request.query.items()))
        lines = [f"{name}:{request.headers[name].strip()}" for name in names]
        canonical = "\n".join([request.method, request.raw_path.partition("?")[0], query, *lines, "", ";".join(names)])
        canonical += f"\n{payload}"
        scope = f"{day}/{region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = "\n".join([scheme, request.headers["x-amz-date"], scope, digest])
        key = f"AWS4{self.secret}".encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), parts["Signature"])


def _error(status: int, code: str) -> web.Response:
    return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>", content_type="application/xml")
