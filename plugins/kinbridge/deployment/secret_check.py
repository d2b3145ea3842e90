"""Refuses secrets that are missing, short or not what they claim to be, before any service starts.

Reads environment variables. It must never show a secret, nor a part of one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from kinbridge.errors import KinbridgeError

# A person's password is typed; the others are made by deploy/make_env.py and never seen.
LEAST_LENGTH = {
    "POSTGRES_PASSWORD": 24,
    "REDIS_PASSWORD": 24,
    "AIRFLOW_ADMIN_PASSWORD": 16,
    "AIRFLOW_API_SECRET_KEY": 32,
    "AIRFLOW_JWT_SECRET": 64,
}
FERNET_KEY = "AIRFLOW_FERNET_KEY"
FERNET_BYTES = 32
# Secrets become part of addresses (redis://:secret@host), where other characters would mean something.
ADDRESS_SAFE = ("POSTGRES_PASSWORD", "REDIS_PASSWORD")


def check_secrets(environment: Mapping[str, str]) -> None:
    """Raises `KinbridgeError` KB-S40 that names the first secret that may not be used, and why."""
    for name, least in LEAST_LENGTH.items():
        value = environment.get(name, "")
        if len(value) < least:
            raise KinbridgeError("KB-S40", name=name, problem=f"it has fewer than {least} characters")
        if len(set(value)) < 8:
            raise KinbridgeError("KB-S40", name=name, problem="it repeats few characters")
        if name in ADDRESS_SAFE and not value.replace("-", "").replace("_", "").isalnum():
            raise KinbridgeError("KB-S40", name=name, problem="it holds more than letters, digits, - and _")
    if len(_decoded(environment.get(FERNET_KEY, ""))) != FERNET_BYTES:
        raise KinbridgeError("KB-S40", name=FERNET_KEY, problem="it is not a Fernet key (32 bytes in URL-safe base64)")
    values = [environment[name] for name in (*LEAST_LENGTH, FERNET_KEY)]
    if len(set(values)) < len(values):
        raise KinbridgeError("KB-S40", name="one of the secrets", problem="it stands in two places")


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        return b""
