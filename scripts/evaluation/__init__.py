"""Scores, tables and pictures of what a network does."""
