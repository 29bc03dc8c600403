"""What that needs around it: power, cooling, failures, spares, space."""
