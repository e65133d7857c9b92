"""The one error tree.

KonstructError
  BadInput                what a person or a file said cannot be used             422
    Unreadable            a document that nothing can be read from
    Mistakes              several fields of a form, each with its own sentence
  NotFound                                                                       404
  Conflict                somebody else holds it, or it has moved on             409
  Unauthentic             a signature or token that does not hold                401
  NotAllowed              one that holds, and is not for this                    403
  OverPlan                more than the business' plan includes                  402
  TooMany                 over a limit; says when to try again                   429, retryable
  Misconfigured           the deployment lacks something that it was asked for   500
  Unavailable             a part we need does not answer                         503, retryable
    Deadlocked            of two transactions that waited for each other, the one that was ended
    KeyMissing            something is sealed under a key that this deployment lacks
    ModelsUnavailable     every model of the chain was passed over
      OverBudget          no model may be asked before the month's budget allows it
    PaymentsUnavailable   Stripe does not answer; what was known of it holds
    EmbeddingUnavailable  the embedding model made no vectors
  ToolFailed              what a model asked a tool for did not work; it reads why  422
  WebError                what came of a request to an address that somebody gave 502
    WebRefused            it may not be asked, or its answer may not be taken in 422
    WebUnreachable        the request certainly did not get there                 retryable
    WebUncertain          it may have got there; no whole answer came back       retryable, where that does no harm
  ChannelError            what a channel answers to a send                       502
    ChannelRateLimited    says when to try again                                 429, retryable
    ChannelUnavailable    the send certainly did not happen                      retryable
      TokenExpired        as long as the connection's token is not renewed
    SendUncertain         nobody knows whether the send happened                 retryable, after a look
    ChannelRefused        this message can never be sent (archived, too old)
      ConnectionDead      this connection's credentials are no longer good
      StreamingUnsupported  replies cannot be streamed there; they can be sent whole
      StreamEnded         the message takes no more of a stream; it can be replaced
  PaymentsRefused         what Stripe was asked for cannot be; carries its code  502
  MailError               what comes of handing a mail to the mail server        502
    MailUnavailable       it may be tried again; it may have been sent already   retryable
    MailRefused           this mail, or any from us, will not be taken
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar


class KonstructError(Exception):
    """Its text is a sentence that may be shown to an operator, and never holds a secret."""

    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False


class BadInput(KonstructError):
    status = 422


class Unreadable(BadInput):
    """Its sentence is shown beside the document."""


class Mistakes(BadInput):
    def __init__(self, fields: Mapping[str, str]) -> None:
        """``fields``: the sentence that is to stand beside each."""
        super().__init__(" ".join(fields.values()))
        self.fields = dict(fields)


class NotFound(KonstructError):
    status = 404


class Conflict(KonstructError):
    status = 409


class Unauthentic(KonstructError):
    status = 401


class NotAllowed(KonstructError):
    status = 403


class OverPlan(KonstructError):
    status = 402

    def __init__(self, message: str, what: str) -> None:
        """``what``: the limit or the feature, as plans name it."""
        super().__init__(message)
        self.what = what


class TooMany(KonstructError):
    status = 429
    retryable = True

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misconfigured(KonstructError):
    status = 500


class Unavailable(KonstructError):
    status = 503
    retryable = True


class Deadlocked(Unavailable):
    """Two transactions waited for each other, and this one was ended for it: it may be done again at once."""


class KeyMissing(Unavailable):
    """An operator's mistake, which passes: nothing is given up for it, since the right key opens all of it again."""


class ModelsUnavailable(Unavailable):
    """Every model of the chain was passed over; the turn is to be tried again later."""


class OverBudget(ModelsUnavailable):
    """Nothing was asked that costs anything: the rest of the month's budget does not hold it."""


class PaymentsUnavailable(Unavailable):
    """It may have happened all the same: what is asked again carries the same idempotency key."""


class PaymentsRefused(KonstructError):
    status = 502

    def __init__(self, message: str, code: str) -> None:
        """``code``: Stripe's own, for the record."""
        super().__init__(message)
        self.code = code


class EmbeddingUnavailable(Unavailable):
    """The embedding model made no vectors of these texts; what waits for them is to be tried again later."""


class ToolFailed(KonstructError):
    """What a model asked a tool for did not work. Its sentence goes to the model, which may mend what it asked."""

    status = 422


class WebError(KonstructError):
    status = 502


class WebRefused(WebError):
    status = 422

    def __init__(self, message: str, *, may_have_acted: bool = False) -> None:
        """``may_have_acted``: it was asked, and only its answer was not taken in."""
        super().__init__(message)
        self.may_have_acted = may_have_acted


class WebUnreachable(WebError):
    retryable = True


class WebUncertain(WebError):
    retryable = True


class ChannelError(KonstructError):
    status = 502


class ChannelRateLimited(ChannelError):
    status = 429
    retryable = True

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChannelUnavailable(ChannelError):
    retryable = True


class TokenExpired(ChannelUnavailable):
    """Where tokens are not renewed, it means that the connection is dead."""


class SendUncertain(ChannelError):
    retryable = True


class ChannelRefused(ChannelError):
    """Carries the channel's own code, for the record."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class ConnectionDead(ChannelRefused):
    """The connection is to be marked and shown to its operator, not tried again."""


class StreamingUnsupported(ChannelRefused):
    """Nothing was sent: the reply is to be sent whole."""


class StreamEnded(ChannelRefused):
    """Somebody stopped it, or it lasted too long. What was shown stays."""


class MailError(KonstructError):
    status = 502


class MailUnavailable(MailError):
    """Sent again, a mail keeps its Message-ID: whoever gets it twice can tell."""

    retryable = True


class MailRefused(MailError):
    pass
