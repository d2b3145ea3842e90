"""Traces: whom what was disclosed to, and from a figure or a release back to the lines of partners' files. Each is an
event."""
