"""What systems can do: one file a kind of workload."""
