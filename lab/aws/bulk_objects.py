"""Many S3 objects at once, of any size and age, whose bytes nobody keeps."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from moto.core.utils import utcnow

from lab.aws.backends import worldwide
from lab.aws.control import ControlError

if TYPE_CHECKING:
    from moto.s3.models import FakeKey

_HEAD = b"-- a backup of the lab, as large as it says and empty from here on\n"


class SparseBody(io.RawIOBase):
    """A file of a given size that is zeros after its first line; reading makes the bytes, nothing stores them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought in."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        rest = max(0, self._size - self._position)
        wanted = rest if size < 0 else min(size, rest)
        head = _HEAD[self._position : self._position + wanted]
        self._position += wanted
        return head + bytes(wanted - len(head))


def make_objects(body: Mapping[str, Any]) -> int:
    """`bulk/objects` {"bucket", "objects": [{key, bytes, age_days}]}; keys of a versioned bucket get a version each."""
    # Imported when asked: S3 is slow to import.
    from moto.s3.models import s3_backends

    backend, bucket = worldwide(s3_backends), str(body["bucket"])
    if bucket not in backend.buckets:
        raise ControlError(f"there is no bucket {bucket!r} in this account")
    for described in body["objects"]:
        size = int(described["bytes"])
        key = backend.put_object(bucket, str(described["key"]), b"", etag=_etag(described), disable_notification=True)
        _give_body(key, size)
        key.last_modified = utcnow() - timedelta(days=float(described.get("age_days", 0.0)))
    return len(body["objects"])


def _give_body(key: FakeKey, size: int) -> None:
    key._value_buffer.close()
    key._value_buffer, key.contentsize = SparseBody(size), size


def _etag(described: Mapping[str, Any]) -> str:
    """The shape that uploads in parts have: no digest of the content, so that nobody compares it with one."""
    return hashlib.blake2b(f"{described['key']}:{described['bytes']}".encode(), digest_size=16).hexdigest() + "-1"
