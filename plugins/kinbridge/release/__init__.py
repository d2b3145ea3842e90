"""Releases: named extracts that leave the house for one recipient, under an agreement, approved by two people."""
