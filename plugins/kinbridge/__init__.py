"""Kinbridge: an integrated data system whose agreements, laws and consents are things the pipeline obeys."""
