"""Manifests: what a partner says that a delivery consists of, and whether a file is what it says."""
