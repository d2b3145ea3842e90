"""The names of a trained model's comparisons and their levels, in the order in which pairs keep them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinbridge.linkage.model import Model


@dataclass(frozen=True)
class Words:
    """The model's title, and each comparison with the labels of its levels, the closest agreement first."""

    model: str
    comparisons: tuple[tuple[str, tuple[str, ...]], ...]


def words_of(connection: Any, training_id: int | None, model: Model) -> Words:
    """The words of the trained model by which a pair was scored; as kb_steward.

    Where another declared model is in use by now, its levels are told by number.
    """
    declared = {one.name: tuple(level.label for level in one.levels) for one in model.comparisons}
    if training_id is None:
        return Words(model.title, tuple(declared.items()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM identity.trained_model WHERE training_id = %s", (training_id,))
        (content,) = cursor.fetchone()
    title = str(content["model"])
    return Words(
        title,
        tuple(
            (
                str(one["name"]),
                declared.get(one["name"], ())
                if title == model.title
                else tuple(f"level {number} of {len(one['m'])}" for number in range(1, len(one["m"]) + 1)),
            )
            for one in content["comparisons"]
        ),
    )
