# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL's errors told apart, without importing psycopg2.

A server that answers gives an SQLSTATE (appendix A of its manual), except while connecting: there libpq passes on the
server's words alone. They are matched in English; in another language they still are an error, only a less precise one.
"""

from __future__ import annotations

from ..core.errors import Denied, Missing, OperationError, OutcomeUnknown

INSUFFICIENT_PRIVILEGE = "42501"
UNDEFINED_TABLE = "42P01"
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"

REFUSED_LOGIN = ("password authentication failed", "authentication failed", "no password supplied", "no pg_hba.conf entry",
                 "is not permitted to log in", "permission denied for database", "certificate authentication failed",
                 "does not support SSL", "certificate verify failed", "server refuses connections without SSL")
NO_CONNECTION_LEFT = ("too many clients already", "remaining connection slots are reserved", "too many connections for")
NO_SUCH = ("does not exist",)


class ConnectionsExhausted(OperationError):
    """The server answers and has no connection left for this role."""


class Unreachable(OperationError):
    """No server answers there, or it takes no connections now (it starts, stops or recovers)."""


class MissingTable(Missing):
    """The database is there, the table is not."""


def is_postgres(error: BaseException) -> bool:
    """Whether an exception comes from psycopg2: an answer of the server or a failure to reach it."""
    return any(base.__module__ == "psycopg2" for base in type(error).__mro__)


def state_of(error: BaseException) -> str:
    """The SQLSTATE, empty where the server gave none."""
    return str(getattr(error, "pgcode", None) or "")


def words_of(error: BaseException) -> str:
    """The message in one line, without the position in the statement and the server's hints."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    told = [line for line in lines if line and not line.startswith(("LINE ", "^", "HINT:", "CONTEXT:"))]
    return " ".join(told) or type(error).__name__


def explain_connecting(error: BaseException, attempted: str, resource: str) -> OperationError:
    """The OperationError for an exception of connecting."""
    reason = words_of(error)
    for phrases, kind, advice in (
        (NO_CONNECTION_LEFT, ConnectionsExhausted, "See who holds the connections; a role with pg_use_reserved_connections "
                                                   "or a superuser may still get in."),
        (REFUSED_LOGIN, Denied, "Check user, password, database and pg_hba.conf; nothing is assumed about the server."),
        (NO_SUCH, Missing, "Check login_user and login_db."),
    ):
        if any(phrase in reason for phrase in phrases):
            return kind(attempted, resource, reason, advice)
    return Unreachable(attempted, resource, f"no connection ({reason})",
                       "Check that the server runs, login_host, login_port and the network between.")


def explain(error: BaseException, attempted: str, resource: str) -> OperationError:
    """The OperationError for an exception of a statement."""
    state, reason = state_of(error), words_of(error)
    if state == INSUFFICIENT_PRIVILEGE:
        return Denied(attempted, resource, reason, "Grant the privilege or use another role; nothing is assumed about it.")
    if state == UNDEFINED_TABLE:
        return MissingTable(attempted, resource, reason, "Check the name and the database.")
    if state == READ_ONLY:
        return OperationError(attempted, resource, f"the server is read-only ({reason})",
                              "Connect to the primary: this is a standby, or read-only by its settings.")
    if state in (QUERY_CANCELED, LOCK_NOT_AVAILABLE):
        return OperationError(attempted, resource, f"it took too long ({reason})",
                              "See what keeps the database busy, or raise statement_timeout or lock_timeout.")
    if not state:
        return OutcomeUnknown(attempted, resource, f"the connection was lost ({reason})",
                              "Check the server; read the resource before trying again.")
    return OperationError(attempted, resource, f"{reason} (SQLSTATE {state})")
