"""The notebooks' own package and the `python -m opsbook` command."""
