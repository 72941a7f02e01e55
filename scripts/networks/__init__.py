"""Networks of the bundle."""
