"""How long each kind of thing is kept, under which clause, and what is due for destruction."""
