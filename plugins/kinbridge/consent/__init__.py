"""Consent: the forms that people sign, what is said of whom, and the gates that follow at link and publish."""
