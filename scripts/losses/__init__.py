"""Losses of the bundle."""
