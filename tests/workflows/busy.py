"""A workflow whose one task takes the processor, in a module of its own, which is all that its sandbox imports."""

from temporalio import workflow


def work(rounds: int) -> int:
    return sum(number * number for number in range(rounds))


@workflow.defn
class BusyWorkflow:
    @workflow.run
    async def run(self, rounds: int) -> None:
        work(rounds)
