"""OpenPGP: files that a partner encrypts to us and signs, opened for staging and for no longer."""
