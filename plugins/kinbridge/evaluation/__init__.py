"""How good linkage is here: precision and recall, by subgroup, on truth, on reviewed pairs and on labelled samples."""
