"""What it costs: capital recovery, energy, operations, rent, carbon."""
