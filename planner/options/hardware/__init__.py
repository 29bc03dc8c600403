"""Which systems can be had, where, from when until when."""
