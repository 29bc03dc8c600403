"""HiGHS, CP-SAT and brute force behind one interface. Knows no chip."""
