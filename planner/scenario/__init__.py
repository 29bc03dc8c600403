"""What a person asks, read from scenarios/*.yaml."""
