"""How fast a system computes it: arrays of candidates in, arrays of figures out."""
