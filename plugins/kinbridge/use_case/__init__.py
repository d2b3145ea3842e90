"""Use cases: why data are shared, for whose benefit, with which elements; and the worksheet that partners discuss."""

from kinbridge.use_case.model import STATUSES, ConsentNeed, UseCase

__all__ = ["STATUSES", "ConsentNeed", "UseCase"]
