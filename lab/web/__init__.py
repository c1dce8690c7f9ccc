"""The web side of the lab: what the systems serve, receivers of notices, mail and names."""
