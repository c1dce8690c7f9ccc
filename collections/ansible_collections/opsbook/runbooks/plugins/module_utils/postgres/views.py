# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Views of a PostgreSQL database as their definitions say (procedure 003-17).

PostgreSQL keeps no text of a view: it gives back its own wording of what it understood. So two digests are written down in
the view's comment, of the definition given and of the server's wording of it. When either differs, somebody has changed
the one or the other. A comment of somebody else's stays, above that line.

Names are read in the view's schema and then in `public`, whoever makes the view; the server's wording is asked for with no
schema in the search path, so that it names them all. A new definition is planned by the server, without reading a row and
in a read-only transaction, also in check mode: a mistake in it, and a column that goes, are known before anything changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.coverage import Collected, Coverage
from ..core.errors import Refused
from ..core.run import Run
from .connection import Connect, opened, sql
from .sql_text import COMMENT, NAME, OTHER, tokens

KIND = "postgres-view"
BEGINNINGS = ("SELECT", "WITH", "VALUES", "TABLE")
MARK = re.compile(r"^opsbook sha256:([0-9a-f]{64}) as ([0-9a-f]{64})$", re.MULTILINE)
LONGEST_NAME = 63
"""Bytes. PostgreSQL cuts a longer one off, which would make it another view's."""


@dataclass(frozen=True)
class Desired:
    """The view wanted.

    :param place: host, port and database of the server
    :param definition: its query; None for no view
    """

    place: str
    schema: str
    name: str
    definition: str | None

    @property
    def named(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.name}"

    @property
    def resource(self) -> str:
        """Its name in changes and evidence."""
        return f"{KIND}:{self.place}:{self.named}"

    @property
    def digest(self) -> str:
        """SHA-256 of its definition."""
        return digest_of_text(self.definition or "")


@dataclass(frozen=True)
class View:
    """What has the name that is wanted.

    :param schema_exists: whether its schema does
    :param kind: pg_class.relkind; None where nothing has the name
    :param wording: the server's wording of the view's definition
    :param comment: empty where it has none
    :param options: its storage options, as `security_barrier=true`
    :param columns: names and types
    :param dependents: what depends on it
    :param makeable: whether the role may create or replace it
    :param droppable: whether the role may drop it
    """

    schema_exists: bool
    kind: str | None = None
    wording: str | None = None
    comment: str = ""
    options: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    dependents: tuple[str, ...] = ()
    makeable: bool = False
    droppable: bool = False


@dataclass(frozen=True)
class Seen:
    """What was read.

    :param view: what is there
    :param new_columns: names and types that the definition has; None where it is the one in place already
    """

    view: View
    new_columns: tuple[tuple[str, str], ...] | None = None


def desired_view(place: str, options: Mapping[str, Any]) -> Desired:
    """Check and read a module's options.

    :raises Refused: for a name that is too long, and a definition that is no single query
    """
    schema, name = options["schema"], options["name"]
    if max(len(schema.encode()), len(name.encode())) > LONGEST_NAME:
        raise Refused("name a view", f"{schema}.{name}", f"a name has at most {LONGEST_NAME} bytes", "Give a shorter one.")
    if options["state"] == "absent":
        return Desired(place, schema, name, None)
    text = (options["definition"] or "").strip()
    parts = [part for part in tokens(text) if part[0] != COMMENT and part[1].strip()]
    words = [part for part in parts if part != (OTHER, "(")]
    if not words or words[0][0] != NAME or words[0][1].upper() not in BEGINNINGS:
        raise Refused("define a view", f"{schema}.{name}", "its definition is no query",
                      f"Give one that begins with {', '.join(BEGINNINGS)}.")
    if (OTHER, ";") in parts:
        raise Refused("define a view", f"{schema}.{name}", "its definition has a semicolon",
                      "Give a single query, and no semicolon at its end.")
    return Desired(place, schema, name, text)


def collect_view(connect: Connect, run: Run, desired: Desired) -> Collected[Seen]:
    """Read the view, and let the server plan a definition that is another than the one in place.

    :raises OperationError: when the server gives no connection, no answer, or does not understand the definition
    """
    view = look_at_view(connect, desired)
    columns = None
    if view.schema_exists and desired.definition is not None and why_other(view, desired):
        with opened(connect, "plan the definition of a view", desired.resource) as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            columns = _columns_of(cursor, desired.schema, desired.definition)
    return Collected(Seen(view, columns), run.now(), Coverage((desired.resource,)))


def why_other(view: View, desired: Desired) -> str:
    """Why the view is not as wanted; empty where it is."""
    if desired.definition is None or view.kind is None:
        return "" if (desired.definition is None) is (view.kind is None) else "not wanted" if view.kind else "there is none"
    mark = MARK.search(view.comment)
    if mark is None:
        return "nothing tells which definition it was made of"
    if mark.group(1) != desired.digest:
        return "another definition is wanted"
    return "" if mark.group(2) == digest_of_text(view.wording or "") else "it was changed since"


def comment_with(comment: str, definition: str, wording: str) -> str:
    """A view's comment with the mark of its definition as the last line, others' lines as they are."""
    others = [line for line in comment.split("\n") if not MARK.fullmatch(line)] if comment else []
    return "\n".join([*others, f"opsbook sha256:{digest_of_text(definition)} as {digest_of_text(wording)}"])


def look_at_view(connect: Connect, desired: Desired) -> View:
    """Read what has the name, in the server's own wording."""
    with opened(connect, "read a view", desired.resource) as cursor:
        look_up_in(cursor)
        cursor.execute(_VIEW, {"schema": desired.schema, "name": desired.name})
        row = cursor.fetchone()
        if row is None:
            return View(False)
        oid, kind, wording, comment, options, makeable, droppable = row
        if oid is None:
            return View(True, makeable=makeable)
        cursor.execute(_COLUMNS, {"view": oid})
        columns = tuple(cursor.fetchall())
        cursor.execute(_DEPENDENTS, {"view": oid})
        dependents = tuple(name for (name,) in cursor.fetchall())
    return View(True, kind, wording, comment, tuple(options), columns, dependents, makeable, droppable)


def _columns_of(cursor: Any, schema: str, definition: str) -> tuple[tuple[str, str], ...]:
    look_up_in(cursor, schema, "public")
    cursor.execute(sql.SQL("SELECT * FROM (\n{}\n) AS definition LIMIT 0").format(sql.SQL(definition)))
    columns = [(column.name, column.type_code) for column in cursor.description]
    cursor.execute("SELECT format_type(kind, NULL) FROM unnest(%s::oid[]) WITH ORDINALITY AS given (kind, place) "
                   "ORDER BY place", [[kind for _name, kind in columns]])
    return tuple((name, kind) for (name, _type), (kind,) in zip(columns, cursor.fetchall()))


def look_up_in(cursor: Any, *schemas: str) -> None:
    """Where names without a schema are looked up for the rest of the transaction; without any, nowhere."""
    cursor.execute("SELECT set_config('search_path', %s, true)",
                   [sql.SQL(", ").join([sql.Identifier(schema) for schema in schemas or ("pg_catalog",)]).as_string(cursor)])


def digest_of_text(text: str) -> str:
    """SHA-256 of a text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


_VIEW = """
SELECT pg_class.oid, relkind, CASE WHEN relkind = 'v' THEN pg_get_viewdef(pg_class.oid) END,
       coalesce(obj_description(pg_class.oid, 'pg_class'), ''), coalesce(reloptions, ARRAY[]::text[]),
       has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_schema_privilege(pg_namespace.oid, 'CREATE')
           AND (relowner IS NULL OR pg_has_role(relowner, 'USAGE')),
       has_schema_privilege(pg_namespace.oid, 'USAGE') AND relowner IS NOT NULL
           AND (pg_has_role(relowner, 'USAGE') OR pg_has_role(nspowner, 'USAGE'))
FROM pg_namespace LEFT JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = %(name)s
WHERE nspname = %(schema)s
"""

# A query's answer tells a domain's base type.
_COLUMNS = """
SELECT attname::text, (
    WITH RECURSIVE base (kind) AS (
        SELECT atttypid UNION ALL SELECT typbasetype FROM base JOIN pg_type ON oid = kind WHERE typtype = 'd')
    SELECT format_type(kind, NULL) FROM base JOIN pg_type ON oid = kind WHERE typtype <> 'd')
FROM pg_attribute WHERE attrelid = %(view)s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""

# A view depends on another by its rule; functions and columns may depend on its row type.
_DEPENDENTS = """
SELECT DISTINCT CASE WHEN ev_class IS NULL THEN pg_describe_object(classid, objid, objsubid)
                     ELSE pg_describe_object('pg_class'::regclass, ev_class, 0) END
FROM pg_depend LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
WHERE deptype = 'n' AND ev_class IS DISTINCT FROM %(view)s AND (
    (refclassid = 'pg_class'::regclass AND refobjid = %(view)s)
    OR (refclassid = 'pg_type'::regclass AND refobjid IN (
        SELECT unnest(ARRAY[oid, typarray]) FROM pg_type WHERE typrelid = %(view)s)))
ORDER BY 1
"""
