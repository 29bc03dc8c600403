"""Decisions between chips and layouts made again from carried measurements: what choosing by prediction costs."""
