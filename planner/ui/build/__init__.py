"""Building a question without its file: every field of a scenario as an input, lists of things that can be added,
duplicated and removed, and tables of halls, hardware and assumptions."""
