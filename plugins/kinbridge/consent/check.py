"""Holds consent forms against use cases and programs, and agreements and use cases against the forms that they name.

Collects every mistake with file and line; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinbridge.agreement.reader import Declared, read_declared
from kinbridge.consent.form import DeclaredForms, Form, read_declared_forms
from kinbridge.declaration.document import Document, Problem
from kinbridge.standards import code_set


def consent_problems(folders: Sequence[Path] | None = None, declared: Declared | None = None) -> list[Problem]:
    """Every mistake: KB-C01 and KB-N10 the shape of a form; KB-N11 a form covers a use case or program that is not
    declared; KB-N12 an agreement or use case names a form that is not declared, or that does not cover it.

    `declared` are the agreements and use cases, where they were read already.
    """
    forms = read_declared_forms(folders)
    declared = declared or read_declared(folders)
    return [*forms.problems, *_covered(forms, declared), *_named(forms, declared)]


def _covered(forms: DeclaredForms, declared: Declared) -> Iterator[Problem]:
    known = {"use_cases": {one.id for one, _ in declared.use_cases}, "programs": set(code_set("program").codes)}
    words = {"use_cases": "use case", "programs": "program"}
    for form, document in forms.forms:
        for what, given in (("use_cases", form.use_cases), ("programs", form.programs)):
            for index, name in enumerate(given or ()):
                if name not in known[what]:
                    yield document.problem("KB-N11", f"there is no {words[what]} {name}", "covers", what, index)


def _named(forms: DeclaredForms, declared: Declared) -> Iterator[Problem]:
    by_id: dict[str, list[Form]] = {}
    for form, _ in forms.forms:
        by_id.setdefault(form.id, []).append(form)
    for agreement, document in declared.agreements:
        yield from _known(by_id, agreement.consent.form, document)
    for use_case, document in declared.use_cases:
        yield from _known(by_id, use_case.consent.form, document)
        named = by_id.get(use_case.consent.form, [])
        if named and not any(form.use_cases is None or use_case.id in form.use_cases for form in named):
            text = f"no version of the form {use_case.consent.form} covers the use case {use_case.id}"
            yield document.problem("KB-N12", text, "consent", "form")


def _known(by_id: dict[str, list[Form]], form: str, document: Document) -> Iterator[Problem]:
    if form and form not in by_id:
        text = f"there is no form {form} below include/consent/forms"
        yield document.problem("KB-N12", text, "consent", "form")
