"""What it means: pure functions from evidence to ranked suspects."""
