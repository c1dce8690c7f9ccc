"""Measurements against named peers, side by side in one run: `make bench`. They report and assert no times."""
