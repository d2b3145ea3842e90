"""What the documents say exists: commands, targets, links, codes, feeds; and what is generated is current."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.main import get_command

from kinbridge.cli.main import app
from kinbridge.contract.columns import PROPERTIES
from kinbridge.contract.model import CODES, DEFAULT_SEVERITY, Kind
from kinbridge.contract.odcs import feeds
from kinbridge.documentation.error_pages import FAMILIES
from kinbridge.documentation.pages import pages
from kinbridge.errors import catalogue
from kinbridge.settings import home

ROOT = home()
TOP = sorted(ROOT.glob("*.md"))
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
ALL = [*PAGES, *sorted((ROOT / "include").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(group: object, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command below a group, by its words."""
    found = getattr(group, "commands", None)
    if found is None:
        yield words, group
        return
    if words:
        yield words, group
    for name, command in found.items():
        yield from commands(command, (*words, name))


COMMANDS = dict(commands(get_command(app)))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def shell_lines(text: str) -> Iterator[str]:
    """What a page tells people to type: words in backquotes, indented lines, and fenced blocks."""
    yield from CODE.findall(FENCE.sub("", text))
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip()
    for block in FENCE.findall(text):
        yield from (line.strip() for line in block.splitlines()[1:-1])


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    assert getattr(command, "help", None), f"kinbridge {' '.join(words)} is missing its help"
    for parameter in getattr(command, "params", []):
        described = getattr(parameter, "help", None)
        assert described or parameter.name == "help", f"{parameter.name} of kinbridge {' '.join(words)} has no help"


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in shell_lines(page.read_text(encoding="utf-8")):
        for found in re.finditer(r"(?:^|[\s;(/])kinbridge((?: [a-z][a-z-]+)+)", line):
            words = tuple(found[1].split())
            leaf = words[:1] in COMMANDS and not hasattr(COMMANDS[words[:1]], "commands")
            assert leaf or words[:2] in COMMANDS, f"{name_of(page)}: no command kinbridge {' '.join(words)}"
        for found in re.finditer(r"^make ([a-z-]+)", line):
            assert found[1] in targets, f"{name_of(page)}: no target make {found[1]}"


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{name_of(page)}: {target} leads nowhere"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{name_of(page)}: no heading {target}"


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_no_page_holds_a_machine_path(page: Path) -> None:
    found = re.findall(r"(?<![\w.])/(?:home|root|work|Users|mnt)/\S*", page.read_text(encoding="utf-8"))
    assert not found, f"{name_of(page)} names {found[0]}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_code_that_a_page_names_is_in_the_catalogue(page: Path) -> None:
    for code in re.findall(r"\bKB-[A-Z]\d\d\b", page.read_text(encoding="utf-8")):
        assert code in catalogue(), f"{name_of(page)} names {code}, which the catalogue does not know"


@pytest.mark.parametrize(("path", "text"), pages().items(), ids=lambda value: getattr(value, "name", ""))
def test_generated_pages_are_current(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, f"run `kinbridge docs`: {name_of(path)} is not current"


def test_every_code_and_its_family_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for code, entry in catalogue().items():
        assert f"### {code}: {entry.title}" in text
        assert code[3] in FAMILIES
    runbook = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    for family in {code[3] for code in catalogue()} - {"R"}:
        assert f"KB-{family}" in runbook, f"docs/operating.md does not say what to do for KB-{family}"


@pytest.mark.parametrize("feed", feeds().values(), ids=lambda feed: feed.id)
def test_every_feed_has_a_readme(feed: object) -> None:
    readme = feed.folder / "README.md"  # type: ignore[attr-defined]
    assert readme.is_file()
    assert readme.read_text(encoding="utf-8").startswith(f"# {feed.id}\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_table_of_rules_says_what_the_code_says(kind: Kind) -> None:
    text = (ROOT / "docs" / "adding-a-feed.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(f"| {kind.value} |")]
    assert len(rows) == 1
    assert f"| {DEFAULT_SEVERITY[kind]} | {CODES[kind]} |" in rows[0]


def test_every_custom_property_is_documented() -> None:
    text = (ROOT / "docs" / "adding-a-feed.md").read_text(encoding="utf-8")
    names = {"references", "dateOrder", *PROPERTIES}
    for path in (ROOT / "include").glob("partners/*/feeds/*/contract.odcs.yaml"):
        contract = yaml.safe_load(path.read_text(encoding="utf-8"))
        table = contract["schema"][0]
        for holder in (contract, table, *table["properties"]):
            names |= {item["property"] for item in holder.get("customProperties", [])}
    for name in names:
        assert f"`{name}`" in text, f"docs/adding-a-feed.md does not tell of the property {name}"


def test_the_feed_of_the_walk_through_holds(tmp_path: Path) -> None:
    """The files of docs/adding-a-feed.md, written into an empty folder, checked and compiled as the page says."""
    text = (ROOT / "docs" / "adding-a-feed.md").read_text(encoding="utf-8")
    files = FILE.findall(text)
    assert {Path(name).name for name, _ in files} >= {"profile.yaml", "contract.odcs.yaml", "transform.sql", "wic.yaml"}
    for name, content in files:
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(content, encoding="utf-8")
    suites = tmp_path / "gx" / "expectations"
    suites.mkdir(parents=True)
    for suite in (ROOT / "great_expectations" / "expectations").glob("*.json"):
        (suites / suite.name).write_bytes(suite.read_bytes())
    missing = kinbridge("check", folder=tmp_path)
    assert missing.returncode == 1
    assert [line for line in missing.stdout.splitlines() if "KB-" in line] == [
        f"{suites}/wic__certifications_v1.json:1: KB-C38 not what wic/certifications_v1's contract compiles to: "
        "run `kinbridge suite compile`"
    ]
    assert kinbridge("suite", "compile", folder=tmp_path).returncode == 0
    good = kinbridge("check", folder=tmp_path)
    assert (good.returncode, good.stdout) == (0, "Every declaration holds.\n")


def kinbridge(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: declarations are read once in each."""
    return subprocess.run(
        [sys.executable, "-c", "from kinbridge.cli.main import main; main()", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "plugins"),
            "KINBRIDGE_INCLUDE": str(folder / "site"),
            "KINBRIDGE_GX": str(folder / "gx"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_typer_is_what_the_commands_are_made_of() -> None:
    """The tests above read the commands through typer; were there none, they would all pass."""
    assert isinstance(app, typer.Typer)
    assert {("check",), ("suite", "compile"), ("warehouse", "provision"), ("docs",)} <= set(COMMANDS)
    assert len(PAGES) > 15
