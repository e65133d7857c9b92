"""Words that somebody says to a workflow whose facts are in the database: counted, and waited for."""

from datetime import timedelta

from temporalio import workflow

from workflows import policies


class Words:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        self.count += 1

    async def wait(self, known: int, seconds: float | None) -> None:
        """For a word, or until so much time is over (None: for as long as it takes). ``known``: how many there were
        before the database was last looked at, for one that came meanwhile may not have been seen in it."""
        timeout = None if seconds is None else timedelta(seconds=max(seconds, policies.LEAST_WAIT_SECONDS))
        try:
            await workflow.wait_condition(lambda: self.count != known, timeout=timeout)
        except TimeoutError:
            return
