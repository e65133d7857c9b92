"""What the judge of passwords is given: enough to judge, and nothing that would keep it busy for a minute."""

import pytest
from zxcvbn.matching import L33T_TABLE, enumerate_l33t_subs, relevant_l33t_subtable

from konstruct.accounts import passwords
from konstruct.accounts.passwords import Passwords
from konstruct.errors import BadInput


@pytest.mark.parametrize("password", ["4@8({[<369&#!1/|0$5+7%2" * 4, "1!|7lit ({[< 4@ 69" * 6])
def test_signs_that_may_stand_for_letters_are_tried_in_few_combinations(password: str) -> None:
    judged = passwords._judgeable(password)
    assert len(judged) <= 48
    assert len(enumerate_l33t_subs(relevant_l33t_subtable(judged, L33T_TABLE))) <= 20


async def test_a_password_of_signs_is_judged_all_the_same() -> None:
    judge = Passwords()
    await judge.require_strong("v8({[<369&#!1/|0$5+7%2kQ" * 4)
    with pytest.raises(BadInput, match="easy to guess"):
        await judge.require_strong("P4$$w0rd!P4$$w0rd!")
