"""Secrets that may not be used are refused by name, and never shown."""

from __future__ import annotations

import base64

import pytest

from kinbridge.deployment.secret_check import FERNET_KEY, LEAST_LENGTH, check_secrets
from kinbridge.errors import KinbridgeError

GOOD = {name: f"{number}0123456789abcdef" * 4 for number, name in enumerate(LEAST_LENGTH)}
GOOD[FERNET_KEY] = base64.urlsafe_b64encode(bytes(range(32))).decode()


def test_good_secrets_pass() -> None:
    check_secrets(GOOD)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("POSTGRES_PASSWORD", "", "fewer than 24"),
        ("POSTGRES_PASSWORD", "change-me", "fewer than 24"),
        ("REDIS_PASSWORD", "0123456789abcdef@redis:6379", "more than letters"),
        ("AIRFLOW_ADMIN_PASSWORD", "a" * 40, "repeats few characters"),
        ("AIRFLOW_JWT_SECRET", "0123456789abcdef" * 3, "fewer than 64"),
        (FERNET_KEY, "0123456789abcdef" * 4, "not a Fernet key"),
        (FERNET_KEY, "ü" * 44, "not a Fernet key"),
        ("REDIS_PASSWORD", GOOD["POSTGRES_PASSWORD"], "two places"),
    ],
)
def test_bad_secrets_are_refused_without_being_shown(name: str, value: str, problem: str) -> None:
    with pytest.raises(KinbridgeError) as refused:
        check_secrets({**GOOD, name: value})
    assert refused.value.code == "KB-S40"
    assert problem in str(refused.value)
    assert not value or value not in str(refused.value)
