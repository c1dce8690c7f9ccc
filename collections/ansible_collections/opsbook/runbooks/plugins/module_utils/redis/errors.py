# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redis' errors told apart, without importing redis-py."""

from __future__ import annotations

from ..core.errors import Denied, OperationError
from ..core.explaining import explainer

REFUSED_LOGIN = ("AuthenticationError", "AuthenticationWrongNumberOfArgsError")
NOT_PERMITTED = "NoPermissionError"
LOADING = "BusyLoadingError"
NO_ANSWER = ("TimeoutError", "ConnectionError")
# Raised before or while TLS is set up, a file of authorities that is not there among them.
CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "[X509", "No such file or directory", "NO_CERTIFICATE")
ENCRYPTION = "[SSL"
HUNG_UP = "EOF"
CHECK_CERTIFICATE = ("Give ca_certs the file of the authorities that issued the server's certificate, and as login_host the "
                     "name that is in it: the endpoint's own, no alias of it.")
CHECK_ENCRYPTION = "Check tls: the server may not be encrypted, or want a client's certificate."
NO_CONNECTION_LEFT = "max number of clients reached"
NOT_LOGGED_IN = ("NOAUTH", "WRONGPASS", "Authentication required", "invalid username-password pair")


class ConnectionsExhausted(OperationError):
    """The server answers and takes no more clients."""


class Unreachable(OperationError):
    """No server answers there, or it answers nothing now (it loads its data). No other answer is this."""


def is_redis(error: BaseException) -> bool:
    """Whether an exception comes from redis-py: an answer of the server or a failure to reach it."""
    return any(base.__module__.startswith("redis.") for base in type(error).__mro__)


def names_of(error: BaseException) -> set[str]:
    """The names of an exception's classes."""
    return {base.__name__ for base in type(error).__mro__}


def is_permission(error: BaseException) -> bool:
    """Whether the user's ACL forbids the command."""
    return NOT_PERMITTED in names_of(error) or str(error).startswith("NOPERM")


def explain(error: BaseException, attempted: str, resource: str) -> OperationError:
    """The OperationError of the right kind for an exception of redis-py."""
    names, words = names_of(error), " ".join(str(error).split()) or type(error).__name__
    if NO_CONNECTION_LEFT in words:
        return ConnectionsExhausted(attempted, resource, words, "See who holds the connections; raise maxclients.")
    if is_permission(error):
        return Denied(attempted, resource, words, "Let the user's ACL allow it; nothing is assumed about it.")
    if names & set(REFUSED_LOGIN) or any(phrase in words for phrase in NOT_LOGGED_IN):
        return Denied(attempted, resource, words, "Check login_user and login_password.")
    if LOADING in names:
        return Unreachable(attempted, resource, f"the server loads its data ({words})", "Wait until it has.")
    if _is_of_tls(words):
        return OperationError(attempted, resource, words, CHECK_CERTIFICATE if any(
            phrase in words for phrase in CERTIFICATE) else CHECK_ENCRYPTION)
    if names & set(NO_ANSWER):
        return Unreachable(attempted, resource, f"no answer ({words})",
                           "Check that the server runs, login_host, login_port, tls and the network between.")
    return OperationError(attempted, resource, words)


def _is_of_tls(words: str) -> bool:
    """Whether the server was there and TLS came to nothing; one that hung up meanwhile was not."""
    return any(phrase in words for phrase in CERTIFICATE) or (ENCRYPTION in words and HUNG_UP not in words)


explaining = explainer(is_redis, explain)
"""Turns what redis-py raises inside a block into an OperationError that names what was attempted."""
