"""F31-secrets: what lies open after people wrote, providers refused, and a worker was killed in between."""

from functools import partial
from typing import Final

from tests.faults import secrets
from tests.faults.catalogue import Entry
from tests.faults.checker import Verdict
from tests.faults.lab import open_lab
from tests.faults.services import KONSTRUCT
from tests.support.model_doubles import Behaviour, Fault

WORDS_A_ROUND: Final = 8
TELLS_ITS_PROMPT: Final = ("tests.faults.broken.tells_its_prompt",)


async def looked_through(rounds: int, seed: int, *, worker: tuple[str, ...] = KONSTRUCT) -> Verdict:
    """Errors are what most often carries into a log what does not belong there, so there are some in each round."""
    async with open_lab(seed, people=6, workers=(worker,)) as lab:
        for number in range(rounds):
            lab.models.next("anthropic", Behaviour(fault=Fault.SERVER_ERROR), Behaviour(fault=Fault.DROPPED))
            lab.slack.fail_next("chat.postMessage", error="internal_error")
            lab.note("models and Slack refuse")
            await lab.crowd.talk(WORDS_A_ROUND, lab.chance, a_second=12.0)
            if number % 2 == 0:
                await lab.deployment.workers[0].kill()
                lab.note("the worker was killed")
        await lab.all_ready()
        await lab.come_to_rest()
        marks = [word.mark for word in lab.history.words]
        found = await secrets.scan(lab.deployment, secrets.of_offices(lab.offices), marks)
        return Verdict(
            seed,
            faults=len(lab.history.faults),
            said=len(marks),
            taken=sum(word.taken_at is not None for word in lab.history.words),
            secrets_found=found,
        )


ENTRIES: Final = (
    Entry(
        "F31-secrets",
        "Everything that is kept is looked through after people wrote, providers refused and a worker was killed",
        "No secret and no word that somebody said lies open in logs, tables, Temporal's histories, Redis or files.",
        full=20,
        short=1,
        run=looked_through,
        twin=partial(looked_through, worker=TELLS_ITS_PROMPT),
    ),
)
