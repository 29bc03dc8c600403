"""The independent check of a plan: imports neither the fleet model nor a solver."""
