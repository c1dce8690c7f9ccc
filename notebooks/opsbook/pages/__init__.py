"""Pages of records that need more than the standard library."""
