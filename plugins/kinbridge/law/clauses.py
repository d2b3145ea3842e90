"""Reads the clauses of a law, or of the fallback: citation, what each applies to, what it demands.

A clause with a mistake is left out and said; the reader refuses the whole file because of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kinbridge.declaration.document import Document, Key, Problem
from kinbridge.law.demand import ACTIONS, ROLES, Kind, Value, read_value
from kinbridge.law.model import LawClause, Scope

FORCES = ("law", "guidance")
FIELDS = ("id", "citation", "summary", "force", "applies_to", "demands")
SCOPE_FIELDS = ("classes", "actions", "roles", "unless_cited", "where_cited")


def read_clauses(document: Document, key: str, law_id: str, problems: list[Problem]) -> tuple[LawClause, ...]:
    """The clauses listed under `key`; what is wrong with them is added to `problems`."""
    given = document.data.get(key)
    if given is None and key == "fallback":
        return ()
    if not isinstance(given, list):
        problems.append(document.problem("KB-J10", f"{key} is required, as a list of clauses", key))
        return ()
    clauses: list[LawClause] = []
    for index in range(len(given)):
        clause = _clause(document, (key, index), given[index], law_id, problems)
        if clause is None:
            continue
        if clause.id in {c.id for c in clauses}:
            problems.append(document.problem("KB-J18", f"the clause {clause.id} stands twice", key, index, "id"))
        clauses.append(clause)
    return tuple(clauses)


def _clause(
    document: Document, where: tuple[Key, ...], given: object, law_id: str, problems: list[Problem]
) -> LawClause | None:
    before = len(problems)
    if not isinstance(given, dict):
        problems.append(document.problem("KB-J10", "a clause is a mapping", *where))
        return None
    problems += unknown_fields(document, given, FIELDS, *where)
    for name in ("id", "summary"):
        if not is_text(given.get(name)):
            problems.append(document.problem("KB-J10", f"a clause has {name}, as text", *where, name))
    if not is_text(given.get("citation")):
        problems.append(document.problem("KB-J13", "a clause says where it is written", *where, "citation"))
    force = given.get("force", "law")
    if force not in FORCES:
        problems.append(document.problem("KB-J10", f"force is one of {', '.join(FORCES)}", *where, "force"))
    scope = _scope(document, (*where, "applies_to"), given.get("applies_to"), problems)
    demands = _demands(document, (*where, "demands"), given.get("demands"), problems)
    if len(problems) > before:
        return None
    summary = " ".join(given["summary"].split())
    return LawClause(
        law_id=law_id,
        id=given["id"],
        citation=given["citation"],
        summary=summary,
        force=force,
        scope=scope,
        demands=demands,
        path=document.path,
        line=document.line(*where),
        lines={kind: document.line(*where, "demands", kind.value) for kind in demands},
    )


def _scope(document: Document, where: tuple[Key, ...], given: object, problems: list[Problem]) -> Scope:
    if not isinstance(given, dict):
        problems.append(document.problem("KB-J10", "a clause has applies_to, with classes and actions", *where))
        return Scope(frozenset(), frozenset())
    problems += unknown_fields(document, given, SCOPE_FIELDS, *where)
    # Every class is asked for by its word: an entry that was left empty must not become a clause over all or nothing.
    every = given.get("classes") == "any"
    classes = frozenset() if every else words_of(document, problems, given.get("classes"), (*where, "classes"))
    actions = words_of(document, problems, given.get("actions"), (*where, "actions"), among=ACTIONS)
    roles: frozenset[str] = frozenset()
    if "roles" in given:
        roles = words_of(document, problems, given["roles"], (*where, "roles"), among=ROLES)
    cited = {
        name: tuple(sorted(words_of(document, problems, given[name], (*where, name)))) if name in given else ()
        for name in ("unless_cited", "where_cited")
    }
    return Scope(classes, actions, roles, **cited)


def _demands(document: Document, where: tuple[Key, ...], given: object, problems: list[Problem]) -> dict[Kind, Value]:
    if not isinstance(given, dict) or not given:
        problems.append(document.problem("KB-J10", "a clause demands something", *where))
        return {}
    demands: dict[Kind, Value] = {}
    for name, value in given.items():
        if name not in set(Kind):
            text = f"{name} is no demand: {', '.join(Kind)}"
            problems.append(document.problem("KB-J11", text, *where, name))
            continue
        try:
            demands[Kind(name)] = read_value(Kind(name), value)
        except ValueError as error:
            problems.append(document.problem("KB-J12", str(error), *where, name))
    return demands


def words_of(
    document: Document,
    problems: list[Problem],
    given: object,
    where: tuple[Key, ...],
    *,
    among: Sequence[str] = (),
    least: int = 1,
) -> frozenset[str]:
    """A list of words, each once, of those allowed where some are; what is wrong is added to `problems`."""
    if given is None and least == 0:
        return frozenset()
    if not isinstance(given, list) or not all(is_text(word) for word in given) or len(given) < least:
        problems.append(document.problem("KB-J10", f"{where[-1]} is required, as a list of words", *where))
        return frozenset()
    for index, word in enumerate(given):
        if among and word not in among:
            text = f"{word} is none of {', '.join(among)}"
            problems.append(document.problem("KB-J10", text, *where, index))
    return frozenset(given)


def unknown_fields(
    document: Document, given: dict[str, object], known: Sequence[str], *where: Key
) -> Iterator[Problem]:
    """KB-J10 for every field that is none of those known."""
    for name in given:
        if name not in known:
            yield document.problem("KB-J10", f"{name} is not a field of it: {', '.join(known)}", *where, name)


def is_text(given: object) -> bool:
    """Whether it is a text that says something."""
    return isinstance(given, str) and bool(given.strip())
