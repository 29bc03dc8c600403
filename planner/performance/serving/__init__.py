"""Serving one model: replicas, their steps, load, memory and power."""
