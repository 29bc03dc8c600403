"""What is uncertain of a plan: distributions, sampled futures, and the margin that a confidence takes."""
