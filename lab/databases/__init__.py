"""PostgreSQL databases and a Redis key space for the systems that have them (analytics, media).

`wiring` is what the supervisor and the commands use; `contents` makes and restores the databases, `keyspace` fills Redis,
and `python -m lab.databases` keeps the applications' sessions open.
"""
