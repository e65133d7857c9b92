"""How each fault of the schedule is made, in a deployment at work. Nothing of the product's own is touched."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import redis.asyncio

from tests.faults.lab import Lab
from tests.faults.people import answer
from tests.faults.schedule import WEIGHTS, Fault
from tests.faults.services import Service
from tests.support import model_doubles
from tests.support.model_doubles import Behaviour

LONGEST_HANG: Final = 8.0
"""Seconds: more than a heartbeat, a lease and Slack's patience, and less than people lose theirs."""
POST: Final = "chat.postMessage"
TOO_OFTEN: Final = 130429
"""Meta's code for too many messages of a number's."""


class Breaker:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        # Whatever has not come back yet is broken again only when it has.
        self._locks: dict[str, asyncio.Lock] = {}
        self._ways: Mapping[str, Callable[[random.Random], Awaitable[None]]] = {
            "a gateway is killed": lambda chance: self._kill(chance.choice(lab.deployment.gateways)),
            "a worker is killed": lambda chance: self._kill(chance.choice(lab.deployment.workers)),
            "the background worker is killed": lambda _: self._kill(self._background),
            "everything is restarted, one program after the other": lambda _: self._roll(),
            "a worker stands still": lambda chance: self._hold(chance.choice(lab.deployment.workers), chance),
            "a gateway stands still": lambda chance: self._hold(chance.choice(lab.deployment.gateways), chance),
            # What Postgres calls fast and immediate.
            "Postgres is restarted": lambda _: self._kill(lab.deployment.postgres, signal.SIGINT),
            "Postgres is cut off and restarted": lambda _: self._kill(lab.deployment.postgres, signal.SIGQUIT),
            "Temporal is killed": lambda _: self._kill(lab.deployment.temporal),
            "Redis is killed": lambda _: self._kill(lab.deployment.valkey),
            "Redis hangs": lambda chance: self._hold(lab.deployment.valkey, chance),
            "Redis is emptied": lambda _: self._empty(),
            "a model is asked too often": lambda _: self._model(model_doubles.Fault.RATE_LIMITED),
            "a model errs": lambda chance: self._model(
                chance.choice((model_doubles.Fault.SERVER_ERROR, model_doubles.Fault.OVERLOADED))
            ),
            "a model hangs": self._hang_model,
            "a model breaks off": lambda chance: self._model(
                chance.choice((model_doubles.Fault.CUT, model_doubles.Fault.DROPPED, model_doubles.Fault.MALFORMED))
            ),
            "Slack is asked too often": self._limit_slack,
            "Slack errs": self._slack_errs,
            "Slack takes a message and does not say so": lambda _: self._drop(accepted=True),
            "Slack is slow": self._slow_slack,
            "WhatsApp is asked too often": lambda _: self._meta(code=TOO_OFTEN),
            "WhatsApp errs": lambda chance: self._meta(status=chance.choice((500, 502, 503))),
            "WhatsApp takes a message and does not say so": lambda _: self._drop_at_meta(),
        }
        assert self._ways.keys() == WEIGHTS.keys()

    async def break_(self, fault: Fault) -> None:
        """Returns when it is over, or will be by itself."""
        self._lab.note(fault.kind)
        await self._ways[fault.kind](random.Random(fault.draw))

    @property
    def _background(self) -> Service:
        assert self._lab.deployment.background is not None
        return self._lab.deployment.background

    def _alone(self, service: Service) -> asyncio.Lock:
        return self._locks.setdefault(service.name, asyncio.Lock())

    async def _kill(self, service: Service, how: signal.Signals = signal.SIGKILL) -> None:
        async with self._alone(service):
            await service.kill(how)
            await service.ready()

    async def _roll(self) -> None:
        """As a deployment of a new version does it: each is asked to end, and the next one only when it is back."""
        deployment = self._lab.deployment
        for service in (*deployment.gateways, *deployment.workers, self._background):
            await self._kill(service, signal.SIGTERM)

    async def _hold(self, service: Service, chance: random.Random) -> None:
        async with self._alone(service), service.held():
            await asyncio.sleep(chance.uniform(1.0, LONGEST_HANG))

    async def _empty(self) -> None:
        async with self._alone(self._lab.deployment.valkey):
            await self._lab.deployment.valkey.ready()
            async with redis.asyncio.from_url(self._lab.deployment.env["KONSTRUCT_REDIS_URL"]) as client:
                await client.flushall()

    async def _model(self, how: model_doubles.Fault) -> None:
        self._lab.models.next("anthropic", Behaviour(answer=answer, fault=how))

    async def _hang_model(self, chance: random.Random) -> None:
        how = chance.choice((model_doubles.Fault.HANG_BEFORE_HEADERS, model_doubles.Fault.HANG_MID_STREAM))
        hanging = Behaviour(answer=answer, fault=how)
        self._lab.models.next("anthropic", hanging)
        await asyncio.sleep(chance.uniform(1.0, LONGEST_HANG))
        hanging.released.set()

    async def _limit_slack(self, chance: random.Random) -> None:
        self._lab.slack.fail_next(POST, error="ratelimited", retry_after=chance.randint(1, 3))

    async def _slack_errs(self, chance: random.Random) -> None:
        if chance.random() < 0.5:
            self._lab.slack.fail_next(POST, status=chance.choice((500, 502, 503)))
        else:
            await self._drop(accepted=False)

    async def _drop(self, *, accepted: bool) -> None:
        self._lab.slack.drop_next(POST, accepted=accepted)

    async def _meta(self, *, code: int | None = None, status: int | None = None) -> None:
        self._lab.graph.fail_next("messages", code=code, status=status)

    async def _drop_at_meta(self) -> None:
        self._lab.graph.drop_next("messages", accepted=True)

    async def _slow_slack(self, chance: random.Random) -> None:
        released = self._lab.slack.hold_next(POST, accepted=chance.random() < 0.5)
        await asyncio.sleep(chance.uniform(0.5, LONGEST_HANG))
        released.set()
