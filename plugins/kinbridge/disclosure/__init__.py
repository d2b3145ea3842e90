"""Small counts: which cells of published tables are withheld, and the proof that none can be derived."""
