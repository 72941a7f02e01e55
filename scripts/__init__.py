"""The bundle's Python package."""
