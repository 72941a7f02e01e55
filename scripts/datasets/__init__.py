"""Data sets of the bundle."""
