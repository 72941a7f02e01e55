"""The report of a study: one HTML page, its tables, a methods paragraph and a checklist."""
