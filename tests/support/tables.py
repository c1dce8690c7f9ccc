"""A table of PostgreSQL as tests begin with."""

from __future__ import annotations

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.sizes import MEBIBYTE
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.tables import Table

TABLE = Table(
    oid=9, schema="public", name="media_items", partitioned=False, logged=True, live=10_000, dead=0, changed=0,
    vacuumed=None, analyzed="2026-11-20T08:00:00.000000+00:00", frozen_age=100, recorded=10_000.0, maintainable=True,
    heap=100 * MEBIBYTE, toast=0, indexes=20 * MEBIBYTE, rest=0, locked=False)
