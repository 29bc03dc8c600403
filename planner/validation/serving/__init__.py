"""Serving predictions beside measured runs: rows, fit, cuts left out, page."""
