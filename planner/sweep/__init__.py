"""Many scenarios."""
