"""Running an investigation and keeping its record."""
