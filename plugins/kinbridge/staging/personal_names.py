"""The SQL that finds a personal name where none belongs. Pure text; what it finds is lines, never the name.

A value breaks the rule when it names a person of its own row, whose names stand in other columns: by a word of at least
four letters, by consisting of such names, or by a first and a last name; initials are no words, and letters' case does
not matter. So does a title with a capital behind it. Where the contract asks for the list of given names, a given name
with another word in capitals beside it breaks the rule as well.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

from kinbridge.contract.model import Column, Rule
from kinbridge.contract.sql import array, ident, literal

# Words are what stands between these, whatever their letters' case.
NO_LETTERS = string.punctuation + string.digits + " \t\r\n\u2013\u2014\u2018\u2019\u201c\u201d"
# One word that is a name may be an everyday word, or a part of one, as well; from this length on it counts by itself.
TELLING_LENGTH = 4
TITLED = r"(^|[^[:alpha:]])(Mr|Mrs|Ms|Miss|Dr|MR|MRS)[.]? +[[:upper:]][[:alpha:]]"
PAIR = "[[:upper:]][[:alpha:]]+,? +[[:upper:]][[:alpha:]]"


def personal_names(rule: Rule, columns: Sequence[Column], rows: str, sound: str) -> str:
    """The query for the lines whose value in the rule's column holds a name: (rule, line_no).

    `rows` is the table of trimmed and typed rows, called `t` in `sound`, the condition on rows to look at.
    """
    value = f"t.{ident(rule.columns[0])}"
    names = [c for c in columns if c.person_name]
    first, last = (_joined(c for c in names if c.person_name == part) for part in ("first", "last"))
    told = f"(({value} LIKE '%M%' OR {value} LIKE '%Dr%') AND {value} ~ {literal(TITLED)})"
    if rule.values:
        told += f" OR ({value} ~ {literal(PAIR)} AND {_listed(value, rule.values)})"
    own = "(w.first || w.last)"
    close = (
        f"EXISTS (SELECT FROM unnest(w.said) AS s WHERE length(s) >= {TELLING_LENGTH} AND s = ANY({own})) "
        f"OR ({_long('w.said')} <> '{{}}' AND {_long('w.said')} <@ {own}) "
        f"OR (w.said && {_long('w.first')} AND w.said && {_long('w.last')})"
    )
    # To take a text apart costs more than all else, so this is done only where a name stands in the value, if within a
    # word, or consists of several. OFFSET 0 keeps the planner from doing it anew wherever words are mentioned.
    maybe = [told, *(f"strpos(lower({value}), lower(t.{ident(c.name)})) > 0" for c in names)]
    maybe.append(f"({_joined(names, '')}) ~ '[^[:alpha:]]'")
    return (
        f"SELECT {literal(rule.id)}, t.line_no "
        f"FROM (SELECT * FROM {rows} AS t WHERE {sound} AND {value} IS NOT NULL AND ({' OR '.join(maybe)}) "
        "OFFSET 0) AS t "
        f"CROSS JOIN LATERAL (SELECT {_words(value)} AS said, {_words(first)} AS first, {_words(last)} AS last "
        f"OFFSET 0) AS w WHERE {told} OR (w.said && {own} AND ({close}))"
    )


def _listed(value: str, names: Iterable[str]) -> str:
    """Whether a given name stands before a word with a capital, or behind one with a comma: a first and a last name."""
    listed = array(names)
    return (
        "EXISTS (SELECT FROM (SELECT ltrim(word, '(\"') AS word, lead(word) OVER (ORDER BY place) AS next "
        f"FROM unnest(string_to_array({value}, ' ', '')) WITH ORDINALITY AS part (word, place) "
        "WHERE word IS NOT NULL) AS pair WHERE next ~ '^[[:upper:]][[:alpha:]]' AND word ~ '^[[:upper:]][[:alpha:]]' "
        f"AND (lower(word) = ANY({listed}) "
        f"OR (word ~ '[[:alpha:]],$' AND lower(rtrim(next, '.,;:!?)\"')) = ANY({listed}))))"
    )


def _joined(columns: Iterable[Column], between: str = " ") -> str:
    return f" || '{between}' || ".join(f"coalesce(t.{ident(c.name)}, '')" for c in columns) or "''"


def _words(text: str) -> str:
    """The words of a text in lower case; what is empty between two signs is NULL, which equals no word."""
    return f"string_to_array(translate(lower({text}), {literal(NO_LETTERS)}, repeat(' ', {len(NO_LETTERS)})), ' ', '')"


def _long(words: str) -> str:
    """The words that are no initials."""
    return f"ARRAY(SELECT s FROM unnest({words}) AS s WHERE length(s) > 1)"
