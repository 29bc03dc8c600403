"""Facts with sources, read from catalog/."""
