"""What published runs add to the physical model: levels of families, shifts near a job, spread, ordering."""
