"""Names in an inbox that no feed of the partner expects. They are reported, never read."""

from __future__ import annotations

from kinbridge.delivery.inbox import Oddity
from kinbridge.delivery.names import printable
from kinbridge.delivery.plan import NamePattern


class Unclaimed:
    """Names that fit no feed of the partner, so that a misnamed file does not lie unread for ever.

    Hidden files and names under which uploads are under way are nobody's business.
    """

    LIMIT = 100
    _UNDER_WAY = (".part", ".tmp", ".filepart", ".partial", ".writing")

    def __init__(self, known: list[NamePattern]) -> None:
        self._known = known
        self.oddities: list[Oddity] = []

    def note(self, name: str) -> bool:
        """Note `name` if no feed expects it. Always False: such a file is not collected."""
        if (
            self._known
            and len(self.oddities) < self.LIMIT
            and not name.startswith(".")
            and not name.lower().endswith(self._UNDER_WAY)
            and not any(pattern.fits(name) for pattern in self._known)
        ):
            self.oddities.append(Oddity("KB-D15", printable(name), "the name fits no feed"))
        return False
