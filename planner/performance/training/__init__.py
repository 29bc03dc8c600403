"""One training step: layers, pipeline, memory, the grid of layouts and its search."""
