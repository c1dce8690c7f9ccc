"""The ages of S3 objects and of IAM access keys; moto's behaviour is left as it is."""

from __future__ import annotations

from datetime import timedelta

from lab.aws.backdate import register_backdate
from lab.aws.backends import worldwide
from lab.aws.control import ControlError, ControlRoutes


def install(control: ControlRoutes) -> None:
    """Let objects (`bucket/key`) and access keys be aged."""
    register_backdate("s3-object", _backdate_object)
    register_backdate("access-key", _backdate_access_key)


def _backdate_object(name: str, age: timedelta) -> None:
    # Imported when asked: S3 and IAM are slow to import, and a lab that never ages them starts sooner.
    from moto.s3.models import s3_backends

    bucket_name, _, key_name = name.partition("/")
    bucket = worldwide(s3_backends).buckets.get(bucket_name)
    key = bucket.keys.get(key_name) if bucket is not None else None
    if key is None:
        raise ControlError(f"there is no object {name!r}; name it <bucket>/<key>")
    key.last_modified -= age


def _backdate_access_key(name: str, age: timedelta) -> None:
    from moto.iam.models import iam_backends

    for user in worldwide(iam_backends).users.values():
        for key in user.access_keys:
            if key.access_key_id == name:
                key.create_date -= age
                return
    raise ControlError(f"there is no access key {name!r}")
