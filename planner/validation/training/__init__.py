"""Training predictions beside measured runs: rows, fit, bars, cuts left out."""
