"""Reads from a contract which codes of one column go with which codes of another (`codesWhen`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kinbridge.contract.model import CodePairs, Column
from kinbridge.contract.walk import Properties, Walk

CODES_WHEN = "codesWhen"


def read_code_pairs(walk: Walk, extra: Properties, columns: Sequence[Column]) -> Iterator[CodePairs]:
    """The pairs that the contract declares; mistakes are noted on the walk, each with its line.

    Each entry is `{column, when, codes}`; `codes` maps each code of the column `when` to the codes that `column` may
    hold beside it. Both have code sets, and every code of `when` has to be there: silence would be taken for a ban.
    """
    known = {c.name: c for c in columns if c.code_set is not None}
    taken: set[tuple[str, str]] = set()
    for item, where in walk.items(extra, CODES_WHEN):
        column, when = (known.get(str(item.get(name))) for name in ("column", "when"))
        if set(item) != {"column", "when", "codes"} or column is None or when is None or column == when:
            walk.problem(f"{CODES_WHEN} needs column and when, two columns with code sets, and codes", *where)
            continue
        codes = walk.mapping(item["codes"], f"{CODES_WHEN}.codes", *where)
        if set(codes) != set(when.codes):
            walk.problem(f"{CODES_WHEN} lists the codes of {when.name!r}, all of them and no others, as text", *where)
        pairs = tuple((code, str(other)) for code, others in codes.items() for other in others or ())
        if not pairs or not {other for _, other in pairs} <= set(column.codes):
            walk.problem(f"{CODES_WHEN} gives {column.name!r} a code that its list does not have, or none", *where)
        if (column.name, when.name) in taken:
            walk.problem(f"{CODES_WHEN} names {column.name!r} and {when.name!r} twice", *where)
        taken.add((column.name, when.name))
        yield CodePairs(column.name, when.name, pairs)
