"""Destruction: what is due is proposed, a person approves, it is destroyed everywhere, and a certificate says so."""
