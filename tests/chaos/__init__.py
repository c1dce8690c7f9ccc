"""Kill the weekly maintenance at random moments, run it again at once, and compare with an undisturbed run."""
