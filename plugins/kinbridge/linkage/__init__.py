"""Which source records are the same person: a declared model, links between records, stable random person ids."""
