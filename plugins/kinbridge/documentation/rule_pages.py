"""`docs/rules.md`: the policies that Kinbridge keeps, in prose, from the tests below `tests/spec` that prove them.

Pure: reads sources as text and never imports them. A test's name is its sentence; its docstring, where there is one,
goes on from there. A docstring that begins with `Policy:` stands in the place of a name that does not read well; with
`Not a policy:` the test is left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

HEAD = """\
# The rules that Kinbridge keeps

Written by `kinbridge docs` from the tests below [tests/spec](../tests/spec); each sentence is a test that runs with
every change. Change the test, and this page follows. What the laws demand is in [laws.md](laws.md), words are in the
[glossary](../GLOSSARY.md).
"""
INSTEAD = "Policy:"
LEFT_OUT = "Not a policy:"
# What a name in small letters cannot say.
SPELT = {
    "airflow": "Airflow",
    "anothers": "another's",
    "csv": "CSV",
    "ferpa": "FERPA",
    "hipaa": "HIPAA",
    "hmis": "HMIS",
    "medicaid": "Medicaid",
    "nobodys": "nobody's",
    "openpgp": "OpenPGP",
    "pdf": "PDF",
    "postgres": "Postgres",
    "snap": "SNAP",
    "sql": "SQL",
    "ssn": "SSN",
    "tanf": "TANF",
    "wic": "WIC",
    "yaml": "YAML",
    "zip": "ZIP",
}

# An apostrophe that a single word does not tell.
OWNERS = re.compile(r"\b(partner|state|agreement|contract|feed|person|law|recipient|gate)s (own|law|word|basis)\b")


def rules_page(sources: Mapping[str, str]) -> str:
    """The page of the spec files, by their names: a section for each file that has tests, in alphabetical order."""
    sections = [section for name in sorted(sources) for section in _section(name, sources[name])]
    return "\n".join([HEAD, *sections])


def _section(name: str, source: str) -> Iterator[str]:
    module = ast.parse(source)
    sentences = [sentence_of(test) for test in _tests(module)]
    if not sentences:
        return
    policy = ast.get_docstring(module) or ""
    yield f"## {title_of(name)}\n"
    if policy:
        yield f"{_ended(_flat(policy.removeprefix(INSTEAD)))}\n"
    yield "\n".join(f"- {sentence}" for sentence in sentences) + "\n"
    yield f"Shown by [{name}](../tests/spec/{name}).\n"


def _tests(module: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in module.body:
        for one in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(one, ast.FunctionDef) and one.name.startswith("test_") and not _left_out(one):
                yield one


def _left_out(test: ast.FunctionDef) -> bool:
    return (ast.get_docstring(test) or "").startswith(LEFT_OUT)


def title_of(name: str) -> str:
    """A section's title from its file's name: `test_row_fates.py` is Row fates."""
    return _sentence(name.removeprefix("test_").removesuffix(".py"))


def sentence_of(test: ast.FunctionDef) -> str:
    """What the test promises: its name as a sentence and its docstring, or the docstring alone where it says so."""
    said = _flat((ast.get_docstring(test) or "").split("\n\n", 1)[0])
    if said.startswith(INSTEAD):
        return _ended(_flat(said.removeprefix(INSTEAD)))
    sentence = _ended(_sentence(test.name.removeprefix("test_")))
    return f"{sentence} {_ended(said)}" if said else sentence


def _sentence(name: str) -> str:
    words = [SPELT.get(word, word) for word in name.split("_") if word]
    text = re.sub(r"\b(p|P)art (c|2)\b", lambda found: f"Part {found[2].upper()}", " ".join(words))
    text = OWNERS.sub(r"\1's \2", text)
    return text[:1].upper() + text[1:]


def _ended(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _flat(text: str) -> str:
    return " ".join(text.split())
