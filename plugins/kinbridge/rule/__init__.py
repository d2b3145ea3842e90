"""The strictest rule: of all that binds data, the value of each demand that no clause goes beyond, and who said so."""
