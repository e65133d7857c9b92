"""How our errors become Temporal's: one place decides what is tried again, and when."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from konstruct.errors import ChannelRateLimited, KonstructError

# An error that is not ours is a defect, or a poisonous input. It may pass, but it may not go on for ever.
ATTEMPTS_AT_THE_UNKNOWN = 5


class FailureInterceptor(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Failures(next)


class _Failures(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except KonstructError as error:
            raise ApplicationError(
                str(error),
                type=type(error).__name__,
                non_retryable=not error.retryable,
                next_retry_delay=error.retry_after if isinstance(error, ChannelRateLimited) else None,
                category=ApplicationErrorCategory.BENIGN if error.retryable else ApplicationErrorCategory.UNSPECIFIED,
            ) from error
        except Exception as error:
            raise ApplicationError(
                f"{type(error).__name__} in {activity.info().activity_type}",
                type=type(error).__name__,
                non_retryable=activity.info().attempt >= ATTEMPTS_AT_THE_UNKNOWN,
            ) from error
