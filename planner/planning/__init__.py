"""The road from a question to a verified plan."""
