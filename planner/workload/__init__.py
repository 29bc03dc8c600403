"""What must be computed: FLOPs, bytes, messages, state."""
