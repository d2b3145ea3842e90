"""The steps of a delivery: nothing leaves a settled state, and every state can be reached."""

from __future__ import annotations

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.accounts import Account, write
from kinbridge.ledger.states import ACCEPTED, SETTLED, State, before, may_become


def test_a_settled_state_is_left_only_by_the_replay_of_its_last_rows() -> None:
    left = {(settled, state) for settled in SETTLED for state in State if may_become(settled, state)}
    assert left == {
        (State.PARTLY_ACCEPTED, State.ACCEPTED),
        (State.PARTLY_ACCEPTED, State.ACCEPTED_WITH_FINDINGS),
    }


def test_every_state_but_the_first_and_the_duplicate_can_be_reached() -> None:
    assert {state for state in State if not before(state)} == {State.COLLECTED, State.DUPLICATE}


def test_a_held_delivery_is_only_accepted_after_an_approval() -> None:
    assert not any(may_become(State.HELD, state) for state in ACCEPTED)
    assert all(may_become(State.APPROVED, state) for state in ACCEPTED)


@pytest.mark.parametrize(("quarantined", "balances"), [(3, True), (2, False), (4, False)])
def test_an_account_balances_or_is_not_written(quarantined: int, balances: bool) -> None:
    # 100 rows: 90 loaded + 4 unchanged + 3 quarantined + 2 duplicate + 1 undecided
    account = Account(7, 100, loaded=90, unchanged=4, quarantined=quarantined, duplicate=2, undecided=1)
    assert account.balances() is balances
    if not balances:
        with pytest.raises(KinbridgeError, match="KB-D21: Delivery 7: 100 source rows"):
            write(None, account)
