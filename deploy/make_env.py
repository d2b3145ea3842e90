"""Write .env from .env.example, with a fresh random secret in each empty place. Needs Python 3 alone.

    python3 deploy/make_env.py

It never overwrites a .env and never prints a secret.
"""

import base64
import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def made(name: str) -> str:
    """A secret for this name: a Fernet key, or 64 hexadecimal digits."""
    if name.endswith("FERNET_KEY"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
    return secrets.token_hex(32)


def main() -> int:
    """Make the file, readable by its owner only."""
    target = ROOT / ".env"
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{target.name} exists already and was left as it is.", file=sys.stderr)
        return 1
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    text = re.sub(r"^([A-Z_]+)=$", lambda m: f"{m[1]}={made(m[1])}", example, flags=re.MULTILINE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    print(f'{target.name} written. Set the lines below "Your site" in it before you start.')
    return 0


if __name__ == "__main__":
    sys.exit(main())
