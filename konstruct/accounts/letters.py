"""What mails to people who sign in say: plain text, and what to do when it is a mistake.

In mails to addresses that nobody has shown to be theirs nothing stands that whoever asked for them has typed: else
anybody could have us mail anything to anybody.
"""

from konstruct.identity import new_id
from konstruct.ports import Mail


def confirm_sign_up(to: str, link: str) -> Mail:
    return _letter(
        to,
        "Confirm your e-mail address",
        "Hello,",
        "with this link you confirm your address and open your account. It is good for 24 hours, and once.",
        link,
        "If you did not sign up, do nothing: without the link there is no account.",
    )


def has_account(to: str, sign_in: str, reset: str) -> Mail:
    return _letter(
        to,
        "You already have an account",
        "Hello,",
        "somebody signed up with this address, which has an account already. Sign in here:",
        sign_in,
        f"If you forgot the password, set a new one: {reset}",
        "If it was not you, do nothing: your account is as it was.",
    )


def reset(to: str, name: str, link: str) -> Mail:
    return _letter(
        to,
        "Set a new password",
        f"Hello {name},",
        "with this link you set a new password. It is good for 30 minutes, and once. It signs out every browser.",
        link,
        "If you did not ask for it, do nothing: your password is as it was.",
    )


def has_no_account(to: str, sign_up: str) -> Mail:
    return _letter(
        to,
        "There is no account with this address",
        "Hello,",
        "somebody asked for a new password for this address, with which there is no account. Perhaps you used another"
        " one. Here you can sign up:",
        sign_up,
        "If it was not you, do nothing.",
    )


def password_changed(to: str, name: str, reset_at: str) -> Mail:
    return _letter(
        to,
        "Your password was changed",
        f"Hello {name},",
        "the password of your account was just changed.",
        f"If it was not you, set a new one at once, which signs out whoever is signed in: {reset_at}",
    )


def security_changed(to: str, name: str, what: str, where: str) -> Mail:
    """``what`` happened, as the rest of a sentence."""
    return _letter(
        to,
        "How you sign in was changed",
        f"Hello {name},",
        f"{what}.",
        f"If it was not you, look at once at what opens your account, and sign out all other browsers: {where}",
    )


def confirm_email(to: str, link: str) -> Mail:
    return _letter(
        to,
        "Confirm your new e-mail address",
        "Hello,",
        "with this link you confirm that this is your new address. It is good for 24 hours, and once.",
        link,
        "If you did not ask for it, do nothing.",
    )


def email_changed(to: str, name: str, new: str) -> Mail:
    return _letter(
        to,
        "Your e-mail address was changed",
        f"Hello {name},",
        f"you sign in with {new} from now on, and no longer with this address.",
        "If it was not you, tell whoever runs your Konstruct at once.",
    )


def invitation(to: str, inviter: str, business: str, role: str, link: str) -> Mail:
    return _letter(
        to,
        f"{inviter} invites you to {business}",
        "Hello,",
        f"{inviter} invites you to join {business} on Konstruct as {role}. The invitation is good for 7 days.",
        link,
        "If you do not know what this is about, do nothing.",
    )


def budget_crossed(to: str, whose: str, month: str, percent: int, told: str, then: str, where: str) -> Mail:
    """``told``: of what how much is spent, as the rest of a sentence; ``then``: what happens once it is all."""
    share = "used up" if percent >= 100 else f"used to {percent}%"
    subject = f"{whose}: the budget for {month} is {share}"
    return _letter(to, subject, "Hello,", f"{told}.", then, f"Usage and budgets: {where}")


def plan_crossed(to: str, business: str, percent: int, used: str, then: str, where: str) -> Mail:
    """``used``: how much of what, as the end of a sentence; ``then``: what happens from now on."""
    share = "all" if percent >= 100 else f"{percent}%"
    return _letter(
        to,
        f"{business}: {share} of what the plan includes for the month is used",
        "Hello,",
        f"{business} has used {used}.",
        then,
        f"Plan and usage: {where}",
    )


def _letter(to: str, subject: str, *paragraphs: str) -> Mail:
    return Mail(new_id(), (to,), subject, "\n\n".join([*paragraphs, "Konstruct"]) + "\n")
