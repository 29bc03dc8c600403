"""Capacity and cost planning for AI compute."""
