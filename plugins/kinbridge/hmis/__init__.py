"""HMIS CSV, the export of homeless services: the standard's facts become a set of contracts, one feed for each file."""
