"""A whole estate on one machine: extended moto, PostgreSQL, Valkey, a web application and receivers."""
