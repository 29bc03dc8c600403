"""What a user's own measurements change, and how much three of them are worth."""
