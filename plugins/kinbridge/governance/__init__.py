"""The charter: which bodies there are, who sits in them, and what needs whose approval."""
