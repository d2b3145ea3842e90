"""What leaves a task: our own words, never a driver's; and whether Airflow should try again."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from kinbridge.errors import KinbridgeError, catalogue

CANARY = "Zqxvkwj 078-05-1120"


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        from kinbridge.orchestration import guard as module

        return module


def _raised(guard: Any, error: BaseException) -> BaseException:
    @guard.guarded("working")
    def work() -> None:
        try:
            raise ValueError(CANARY)
        except ValueError:
            raise error  # noqa: B904 - what a library does: the first error hangs on the second

    with pytest.raises(BaseException) as caught:  # noqa: PT011
        work()
    return caught.value


def test_an_unexpected_error_says_its_kind_and_place_only(guard: Any, caplog: pytest.LogCaptureFixture) -> None:
    raised = _raised(guard, RuntimeError(CANARY))
    assert "KB-X01" in str(raised)
    assert "RuntimeError in test_guard.py" in str(raised)
    assert CANARY not in "".join(traceback.format_exception(raised)) + caplog.text
    assert raised.__cause__ is None
    assert raised.__context__ is None


def test_an_expected_error_comes_out_in_its_own_words(guard: Any) -> None:
    error = KinbridgeError("KB-L05", feed="medicaid/eligibility_v1", delivery=3)
    raised = _raised(guard, error)
    assert str(raised) == str(error)
    assert CANARY not in "".join(traceback.format_exception(raised))


def test_what_cannot_be_mended_by_trying_again_is_not_tried_again(guard: Any) -> None:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    final = {code for code in catalogue() if guard.is_final(_error(code))}
    assert {"KB-A01", "KB-A03", "KB-D02", "KB-D03", "KB-D51", "KB-L05", "KB-F90", "KB-F92"} <= final
    assert not {"KB-D01", "KB-D04", "KB-S20", "KB-S23", "KB-F91", "KB-X01"} & final
    assert isinstance(_raised(guard, KinbridgeError("KB-D51", partner="snap")), AirflowFailException)
    assert not isinstance(_raised(guard, KinbridgeError("KB-F91", rule="r", feed="f")), AirflowFailException)
    skipped = AirflowSkipException("nothing to do")
    assert _raised(guard, skipped) is skipped


def _error(code: str) -> KinbridgeError:
    error = KinbridgeError.__new__(KinbridgeError)
    error.code = code
    return error
