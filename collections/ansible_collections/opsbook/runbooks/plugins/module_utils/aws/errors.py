# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""AWS errors told apart by their code, without importing botocore."""

from __future__ import annotations

from ..core.errors import Denied, Missing, OperationError, OutcomeUnknown
from ..core.explaining import explainer

THROTTLED = frozenset({
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
})
# "403" is what HeadObject and HeadBucket answer: a reply without a body has no better code.
DENIED = frozenset({
    "403", "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
    "InvalidAccessKeyId", "InvalidClientTokenId", "NotAuthorized", "SignatureDoesNotMatch", "UnauthorizedOperation",
    "UnrecognizedClientException",
})


def code_of(error: BaseException) -> str:
    """The service's error code ("ThrottlingException"), or the exception's own name where AWS never answered."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", type(error).__name__))
    return type(error).__name__


def is_aws(error: BaseException) -> bool:
    """Whether an exception comes from botocore, an answer of AWS or a failure to reach it."""
    return any(base.__module__.startswith(("botocore.", "boto3.")) for base in type(error).__mro__)


def is_throttled(error: BaseException) -> bool:
    """Whether AWS refused for the rate of calls; such a call was not carried out."""
    return code_of(error) in THROTTLED


def is_denied(error: BaseException) -> bool:
    """Whether the caller may not do this."""
    return code_of(error) in DENIED


def is_missing(error: BaseException) -> bool:
    """Whether AWS said that the resource does not exist."""
    code = code_of(error)
    return code in {"404", "MISSING"} or code.startswith("NoSuch") or code.endswith(
        ("NotFound", "NotFoundException", "NotFoundFault", "DoesNotExist"))


def was_answered(error: BaseException) -> bool:
    """Whether AWS answered at all. Without an answer a changing call may have been carried out."""
    response = getattr(error, "response", None)
    return isinstance(response, dict) and bool(response)


LOST_ON_THE_WAY = frozenset({"ConnectTimeoutError", "HTTPClientError", "IncompleteReadError", "ResponseStreamingError"})


def was_sent(error: BaseException) -> bool:
    """Whether a call may have reached AWS: an answer came, or was lost on the way.

    Wrong parameters and missing credentials end a call before it is sent.
    """
    return was_answered(error) or any(
        base.__name__ in LOST_ON_THE_WAY for base in type(error).__mro__)


def reason_of(error: BaseException) -> str:
    """The code and the service's own words."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return f"{code_of(error)}: {str(response.get('Error', {}).get('Message') or '').strip() or 'no message'}"
    return f"{type(error).__name__}: {error}"


def explain(error: BaseException, attempted: str, resource: str) -> OperationError:
    """The OperationError of the right kind for an exception of botocore."""
    reason = reason_of(error)
    if is_denied(error):
        return Denied(attempted, resource, reason, "Grant the permission or use another role; nothing is assumed about it.")
    if is_throttled(error):
        return OperationError(attempted, resource, f"throttled to the end of all retries ({reason})",
                              "Try again later, or lower `parallel`.")
    if is_missing(error):
        return Missing(attempted, resource, reason, "Check the name, the region and the account.")
    if not was_sent(error):
        return OperationError(attempted, resource, f"the call was never sent ({reason})",
                              "Check the credentials, the region and the options.")
    if not was_answered(error):
        return OutcomeUnknown(attempted, resource, f"AWS did not answer ({reason})",
                              "Check the connection and endpoint_url; read the resource before trying again.")
    return OperationError(attempted, resource, reason)


explaining = explainer(is_aws, explain)
"""Turns what AWS and botocore raise inside a block into an OperationError that names what was attempted."""
