# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL's errors told apart, without importing psycopg2.

A server that answers gives an SQLSTATE (appendix A of its manual), except while connecting: there libpq passes on the
server's words alone. They are matched in English; in another language they still are an error, only a less precise one.
"""

from __future__ import annotations

from ..core.errors import Denied, Missing, OperationError, OutcomeUnknown
from ..core.explaining import explainer

INSUFFICIENT_PRIVILEGE = "42501"
UNDEFINED_TABLE = "42P01"
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"

REFUSED_LOGIN = ("password authentication failed", "authentication failed", "no password supplied", "no pg_hba.conf entry",
                 "is not permitted to log in", "permission denied for database", "certificate authentication failed",
                 "requires a valid client certificate")
NO_CONNECTION_LEFT = ("too many clients already", "remaining connection slots are reserved", "too many connections for")
NO_SUCH = ("does not exist",)
CERTIFICATE = ("certificate verify failed", "does not match host name", "root certificate", "server certificate")
ENCRYPTION = ("does not support SSL", "SSL negotiation", "SSL error")
NOT_NOW = ("the database system is ",)  # starting up, shutting down, in recovery mode, not accepting connections
ANSWERED = "FATAL:"
NO_ANSWER = (
    "Connection refused", "Connection reset", "Connection timed out", "timeout expired", "Operation timed out",
    "No route to host", "is unreachable", "Host is down", "could not translate host name",
    "closed the connection unexpectedly", "connection has been closed unexpectedly", "EOF detected",
    "No such file or directory",
)


class ConnectionsExhausted(OperationError):
    """The server answers and has no connection left for this role."""


class Unreachable(OperationError):
    """No server answers there, or it takes no connections now (it starts, stops or recovers). No other answer is this."""


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
    """The OperationError for an exception of connecting.

    Of several addresses one may refuse and another answer: what a server says comes first.
    """
    reason = words_of(error)
    for phrases, kind, advice in _CONNECTING:
        if any(phrase in reason for phrase in phrases):
            said = f"no connection ({reason})" if kind is Unreachable else reason
            return kind(attempted, resource, said, advice)
    return OperationError(attempted, resource, reason, "Check the options of the connection.")


_REACH = "Check that the server runs, login_host, login_port and the network between."
_CONNECTING: tuple[tuple[tuple[str, ...], type[OperationError], str], ...] = (
    (NO_CONNECTION_LEFT, ConnectionsExhausted, "See who holds the connections; a role with pg_use_reserved_connections or a "
                                               "superuser may still get in."),
    (NOT_NOW, Unreachable, _REACH),
    (REFUSED_LOGIN, Denied, "Check user, password, database and pg_hba.conf; nothing is assumed about the server."),
    (CERTIFICATE, OperationError, "Give ca_cert the file of the authorities that issued the server's certificate (for RDS "
                                  "the bundle that AWS publishes), and with ssl_mode verify-full as login_host the name "
                                  "that is in it: the endpoint's own, no alias of it."),
    (ENCRYPTION, OperationError, "Check ssl_mode against what the server offers."),
    (NO_SUCH, Missing, "Check login_user and login_db."),
    ((ANSWERED,), OperationError, "The server, or a pooler before it, answered and refused; nothing is assumed about it."),
    (NO_ANSWER, Unreachable, _REACH),
)
"""What a failed connection's words mean, by kind; the first that fits."""


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


explaining = explainer(is_postgres, explain)
"""Turns what PostgreSQL refuses inside a block into an OperationError that names what was attempted."""
