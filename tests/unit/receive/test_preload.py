"""What tasks inherit from the process that forks them."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, sys
from kinbridge.receive import preload
preload()
print("great_expectations" in sys.modules, gc.isenabled(), gc.get_freeze_count() > 100_000)
"""


def test_what_was_imported_is_not_collected_again_in_each_task() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "True", "True"], said.stderr
