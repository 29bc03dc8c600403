"""A plan as a page a person can read."""
