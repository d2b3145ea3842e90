"""Names: the standard's files and columns in our spelling. Pure."""

from __future__ import annotations

import re

# Written in capitals of their own by the standard, which would be cut in the wrong places.
_WORDS = (("CoC", "Coc"), ("HoH", "Hoh"), ("HOH", "Hoh"), ("AndDVID", "AndDvId"))
# A name has at most 50 characters in a contract.
_SHORTER = {"AskedOrForcedToExchangeForSexPastThreeMonths": "AskedOrForcedToExchangeForSexPast3Months"}


def snake(name: str) -> str:
    """`RelationshipToHoH` as `relationship_to_hoh`, `SSIAmount` as `ssi_amount`."""
    text = _SHORTER.get(name, name)
    for theirs, ours in _WORDS:
        text = text.replace(theirs, ours)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()


def feed_id(partner: str, file: str, version: str) -> str:
    """The feed of one file: `north/client_v2024`."""
    return f"{partner}/{snake(file)}_v{version.removeprefix('FY')}"
