# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the AWS connection options, written once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  region:
    description:
      - The AWS region. Without it boto3's own chain decides (environment, profile).
    type: str
    aliases: [aws_region]
  profile:
    description:
      - A named profile of the AWS configuration files.
    type: str
    aliases: [aws_profile]
  access_key:
    description:
      - The access key's id. Without it boto3's own chain decides.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description:
      - The secret that belongs to O(access_key). Never logged.
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description:
      - The session token of temporary credentials.
    type: str
    aliases: [aws_session_token]
  endpoint_url:
    description:
      - An endpoint to use instead of AWS's own, as the lab does.
    type: str
    aliases: [aws_endpoint_url]
  validate_certs:
    description:
      - Whether TLS certificates are verified.
    type: bool
    default: true
  aws_ca_bundle:
    description:
      - A file of certificate authorities to trust instead of the usual ones.
    type: path
  assume_role_arn:
    description:
      - A role to assume first, as when systems live in accounts of their own.
    type: str
  external_id:
    description:
      - The external id that the role in O(assume_role_arn) asks for.
    type: str
requirements:
  - boto3 >= 1.44
notes:
  - B(Retries) - botocore's standard mode with ten attempts, throttling and lost connections included. Calls that change
    something and carry no idempotency token are never sent twice; they are repeated only when AWS said that it did
    nothing (throttled).
"""
