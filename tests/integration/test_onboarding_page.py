"""docs/onboarding.md, tried by a newcomer who types what stands there, in the order in which it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.places import copy_of_gx

from kinbridge.settings import home

EXERCISE = re.compile(r"<!-- exercise: (\S+) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
FEED = "exercise/site/partners/first_steps/feeds/services_v1"


def test_the_page_leads_to_a_feed_that_checks_and_a_file_that_was_checked(tmp_path: Path) -> None:
    page = (home() / "docs" / "onboarding.md").read_text(encoding="utf-8")
    [(file, text)] = EXERCISE.findall(page)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "kinbridge").symlink_to(Path(sys.executable).with_name("kinbridge"))
    copy_of_gx(tmp_path / "great_expectations")
    (tmp_path / "given.sql").write_text(text, encoding="utf-8")
    lines = [
        line.strip()
        for line in EXERCISE.sub(f"    cp given.sql {FEED}/{file}\n", page).splitlines()
        if line[:4] == "    "
    ]
    # Each command says that it is run, and how it ended.
    script = "".join(f"echo '$ '{number}\n{line}\necho '? '$?\n" for number, line in enumerate(lines))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KINBRIDGE")}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    said = re.findall(r"^\$ (\d+)\n(.*?)^\? (\d+)\n", done.stdout, re.MULTILINE | re.DOTALL)
    ended = {lines[int(number)]: (int(code), output) for number, output, code in said}
    assert len(said) == len(lines), done.stderr
    first_check, second_check, third_check = (
        (int(code), output) for number, output, code in said if lines[int(number)] == "kinbridge check"
    )
    assert first_check[0] == 1
    assert set(re.findall(r"KB-\w+", first_check[1])) == {"KB-P10"}
    assert second_check[0] == 1
    assert re.findall(r"KB-\w+", second_check[1]) == ["KB-C38"]
    assert third_check == (0, "Every declaration holds.\n")
    [preflight] = [line for line in lines if line.startswith("kinbridge preflight")]
    assert ended[preflight][0] == 1, ended[preflight][1] + done.stderr
    assert "partly accepted" in ended[preflight][1]
    others = {line: code for line, (code, _) in ended.items() if line not in {"kinbridge check", preflight}}
    assert not any(others.values()), others
    assert not (tmp_path / "exercise").exists()
