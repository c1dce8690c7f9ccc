"""An index of PostgreSQL as tests begin with."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.sizes import MEBIBYTE
from ansible_collections.opsbook.runbooks.plugins.module_utils.postgres.indexes import Index

INDEX = Index(
    oid=1, table_oid=9, schema="public", table="media_items", name="title_idx", toast=False, method="btree",
    partitioned=False, attached=False, logged=True, rows=10.0, pages=12800, fill=90, unique=False, primary=False,
    constraint="", exclusion=False, valid=True, scans=5,
    definition="CREATE INDEX title_idx ON public.media_items USING btree (title)", identity="(9,403,2)", being_built=False,
    maintainable=True, droppable=True, size=100 * MEBIBYTE, locked=False)
LEFT = replace(INDEX, oid=2, name="title_idx_ccnew", valid=False)
"""What a rebuild of it has left."""
