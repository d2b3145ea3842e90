"""Standards: the elements of the common schema, and the code sets that values must come from."""

from kinbridge.standards.code_sets import CodeSet, code_set, read_code_csv
from kinbridge.standards.common_schema import Element, common_schema

__all__ = ["CodeSet", "Element", "code_set", "common_schema", "read_code_csv"]
