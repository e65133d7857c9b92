"""Every time limit and retry that workflows use, by name."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType


class ActivityOptions(TypedDict, total=False):
    schedule_to_start_timeout: timedelta
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType
    priority: Priority


SIGNS_OF_LIFE = timedelta(seconds=10)
"""How long somebody who waits for a reply does without, once its worker has died. A worker that shares a full machine
sends them late, and what is taken for dead is begun again beside what goes on: with five seconds two workers on a
tenth of a processor each did so with every call that they had."""

# Models have their own time budget within; when all are down the workflow decides what happens, not a retry here.
THINKING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        maximum_interval=timedelta(seconds=20),
        non_retryable_error_types=["ModelsUnavailable"],
    ),
    # The conversation moves on at once; the call itself ends with its next heartbeat.
    cancellation_type=ActivityCancellationType.TRY_CANCEL,
)

# What was fetched stays, so another attempt goes on from there. A contact waits, who is answered without it in the end.
FETCHING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=3),
    schedule_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20)),
    cancellation_type=ActivityCancellationType.TRY_CANCEL,
)

# The lines of what else is said wait for it.
FETCHING_FOR_PEOPLE = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20)),
)

# An answer is worth a day of trying. The channel's own word on when to try again comes with the error.
DELIVERY = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_close_timeout=timedelta(days=1),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
)

# Short work on our own database: it is tried until the database is back.
BOOKKEEPING = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20)),
)

FOR_PEOPLE = Priority(priority_key=1)
"""Before all that employees have to do for the same tenant: somebody looks at it and waits."""

# A change of owner waits for sends that are about to begin. A person waits for it, and may be told to try again.
CHANGING_OWNER = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=15),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)),
    priority=FOR_PEOPLE,
)
# Cards, threads and timers of a handoff: tried until it works, since people wait.
ATTENDING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
    priority=FOR_PEOPLE,
)
# Without a summary or a draft the handoff is what it is, only less comfortable.
ASSISTING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=3),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
)
HANDOFF_STEPS_IN_A_RUN = 500

TOOL_CALL_SLACK = timedelta(seconds=30)
"""What a call may take beside its tool: for the database, and to be told that it is cancelled."""


def calling(timeout_seconds: float, attempts: int) -> ActivityOptions:
    """An attempt that died is made up for; what a tool answered is no failure."""
    return ActivityOptions(
        start_to_close_timeout=timedelta(seconds=timeout_seconds) + TOOL_CALL_SLACK,
        heartbeat_timeout=SIGNS_OF_LIFE,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20), maximum_attempts=attempts
        ),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    )


# People are told as long as it makes sense, however long their channel is away.
ANNOUNCING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=1),
    schedule_to_close_timeout=timedelta(days=7),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5)),
    cancellation_type=ActivityCancellationType.TRY_CANCEL,
)
REPORTING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=1),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
)
LEAST_WAIT_SECONDS = 1.0

SWEEPING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(maximum_attempts=1),
)
SWEEP_EVERY = timedelta(seconds=10)

LOOKING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=3),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(maximum_attempts=1),
)
LOOK_EVERY = timedelta(seconds=15)
# Somebody waits for it, and does without after a few seconds.
LOCATING = ActivityOptions(start_to_close_timeout=timedelta(seconds=8), retry_policy=RetryPolicy(maximum_attempts=1))

# What one run leaves, the next one takes up. Often, since replies may wait for a token.
RENEWING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=3),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(maximum_attempts=1),
)
RENEW_EVERY = timedelta(seconds=15)

# What one run leaves, the next one takes up. No reply waits for a name, and people who look would like to have it soon.
NAMING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(maximum_attempts=1),
)
NAME_EVERY = timedelta(seconds=15)

# What one run leaves, the next one takes up.
SEALING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(maximum_attempts=1),
)
SEAL_EVERY = timedelta(minutes=1)

# As with seals; it is done in small transactions, of which those that were committed are done.
LETTING_GO = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=50),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
LET_GO_EVERY = timedelta(hours=1)

# Each question is committed before the next, so what one run leaves, the next one takes up.
ASKING_FOR_RATINGS = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
ASK_FOR_RATINGS_EVERY = timedelta(seconds=15)

# What was done of it stays done. A day of trying; after that somebody has it go on, who sees that it waits.
ERASING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=30),
    schedule_to_close_timeout=timedelta(days=1),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2),
        maximum_interval=timedelta(minutes=5),
        non_retryable_error_types=["NotFound"],
    ),
)

# It begins at the start again, so that a trail on which it dies is not looked at for ever.
CHECKING = ActivityOptions(
    start_to_close_timeout=timedelta(hours=2),
    schedule_to_close_timeout=timedelta(hours=3),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
)

CLEARING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=50),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
CLEAR_EVERY = timedelta(minutes=1)

REMEMBER_EVERY = timedelta(seconds=5)
# What is claimed and not written is due again when its claim runs out.
CLAIMING = ActivityOptions(
    # It waits in line behind what was claimed before. So where there is more to do than time, no more is claimed.
    schedule_to_start_timeout=REMEMBER_EVERY,
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
# All attempts together end before the claim does.
REMEMBERING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=6),
    schedule_to_close_timeout=timedelta(minutes=14),
    # Nobody waits for it, and a process that leaves the processor to others may be late with a sign of life.
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=5), maximum_attempts=3),
)
REMEMBERED_WITHIN = timedelta(minutes=20)
"""A run ends after this, whatever became of it: while nobody works in the background, runs pile up no further."""

EMBEDDING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
EMBED_EVERY = timedelta(seconds=5)

# A site that does not answer is asked again within; what fails here is our own.
LISTING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=30),
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=1), maximum_attempts=10
    ),
)
# One attempt reads for a while, and ends at the end of the document that it is at.
READING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=15),
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1), maximum_attempts=50
    ),
)
READINGS_IN_A_RUN = 50
SYNC_EVERY = timedelta(seconds=30)
"""How often it is looked for what is due; not how often a source is."""

# Stripe may be away for long, and what was known holds. A history of its failures is not kept for longer than this.
LOOKING_AT_STRIPE = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=5),
    schedule_to_close_timeout=timedelta(days=1),
    heartbeat_timeout=SIGNS_OF_LIFE,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
)
LOOK_AT_STRIPE_AGAIN_AFTER = timedelta(minutes=10)
"""Where Stripe, or a defect, refused the look before; sooner when there is word of something new."""

# Whatever a run did stays done, and is done again without harm.
RECONCILING = ActivityOptions(
    start_to_close_timeout=timedelta(hours=6),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(minutes=10), maximum_attempts=6),
)
RECONCILE_EVERY = timedelta(days=1)
RECONCILE_AT = timedelta(hours=3)
"""After midnight, in UTC."""

METERING = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
METER_EVERY = timedelta(minutes=1)

SILENCE_ENDS_AFTER = timedelta(days=1)
"""A conversation without a word for this long, and at most twice as long, completes; the next message starts it again,
with its context."""

TURNS_IN_A_RUN = 50
EVENTS_IN_A_RUN = 400
"""Whenever the worker's cache has lost the conversation, its history is replayed. Messages that come at once, tries
that failed and acts of agents make it longer than its turns tell. With a thousand events a busy worker could no longer
do so in the time that it has for a task, and began anew each time."""

FIRST_RETRY_AFTER = timedelta(seconds=15)
LONGEST_RETRY_AFTER = timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(days=1)
"""For how long a turn is retried while every model is down."""
