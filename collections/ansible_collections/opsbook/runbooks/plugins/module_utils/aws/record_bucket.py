# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records kept in S3, as `incident/record_store` keeps them in a folder: an object a file, below a prefix.

Writing unless something changed is S3's conditional write (If-Match, If-None-Match with PutObject): S3 answers 412 when it
did, and 409 when somebody writes at that moment. Source: S3 user guide, "Prevent object overwrites with conditional writes".
Permissions: s3:ListBucket on the bucket; s3:GetObject, s3:PutObject, s3:DeleteObject (of `.chain/pending/`) on the prefix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import Missing, Refused
from ..incident.record_store import PLAIN
from .client import Connect
from .errors import code_of, explaining, is_missing

SCHEME = "s3://"
CHUNK = 1024 * 1024

CHANGED = frozenset({"412", "409", "PreconditionFailed", "ConditionalRequestConflict"})
"""What S3 answers when an object is another by now. A 404 with If-Match means the same: it was deleted."""


class BucketStore:
    """A prefix of a bucket."""

    def __init__(self, connect: Connect, address: str) -> None:
        """:param address: `s3://bucket/prefix`

        :raises Refused: when it names no bucket
        """
        self._bucket, _slash, prefix = address[len(SCHEME):].partition("/")
        if not address.startswith(SCHEME) or not self._bucket:
            raise Refused("find a record store", address, "it names no bucket", "Give s3://bucket/prefix.")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._connect = connect
        self.address = f"{SCHEME}{self._bucket}/{self._prefix}".rstrip("/")

    def ids(self) -> list[str]:
        """The folders of records: what lies between the prefix and the next "/"."""
        found = []
        with explaining("list records", self.address):
            for page in self._pages(Prefix=self._prefix, Delimiter="/"):
                found += [entry["Prefix"][len(self._prefix):-1] for entry in page.get("CommonPrefixes") or ()]
        return sorted(name for name in found if name and not name.startswith("."))

    def files(self, folder: str) -> Mapping[str, str]:
        """Everything below a folder. What stands for a folder itself is no file."""
        prefix = f"{self._prefix}{folder}/"
        with explaining("list the files of a record", f"{self.address}/{folder}"):
            keys = [entry["Key"] for page in self._pages(Prefix=prefix) for entry in page.get("Contents") or ()]
        return {key[len(prefix):]: PLAIN for key in keys if key != prefix}

    def read(self, path: str) -> bytes:
        """An object."""
        with explaining("read a file of a record", self._named(path)):
            content: bytes = self._get(path)["Body"].read()
        return content

    def digest(self, path: str) -> str:
        """The SHA-256 of an object, read piece by piece."""
        digest = hashlib.sha256()
        with explaining("read a file of a record", self._named(path)):
            for chunk in self._get(path)["Body"].iter_chunks(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def write(self, path: str, content: bytes) -> None:
        """Write an object."""
        self._put(path, content)

    def create(self, path: str, content: bytes) -> bool:
        """Write an object that is not there yet."""
        return self._put(path, content, IfNoneMatch="*")

    def versioned(self, path: str) -> tuple[bytes | None, str]:
        """An object and its ETag."""
        try:
            with explaining("read a file of a record", self._named(path)):
                reply = self._get(path)
                return reply["Body"].read(), str(reply["ETag"])
        except Missing:
            return None, ""

    def swap(self, path: str, mark: str, content: bytes) -> bool:
        """Write an object unless it is another by now."""
        return self._put(path, content, **({"IfMatch": mark} if mark else {"IfNoneMatch": "*"}))

    def remove(self, path: str) -> None:
        """Remove an object."""
        with explaining("remove a file of a record", self._named(path)):
            self._connect("s3").delete_object(Bucket=self._bucket, Key=f"{self._prefix}{path}")

    def _put(self, path: str, content: bytes, **condition: str) -> bool:
        with explaining("write a file of a record", self._named(path)):
            try:
                self._connect("s3").put_object(Bucket=self._bucket, Key=f"{self._prefix}{path}", Body=content, **condition)
            except Exception as error:
                gone = "IfMatch" in condition and is_missing(error)
                if not condition or not (gone or code_of(error) in CHANGED):
                    raise
                return False
        return True

    def _get(self, path: str) -> Any:
        return self._connect("s3").get_object(Bucket=self._bucket, Key=f"{self._prefix}{path}")

    def _pages(self, **request: str) -> Iterator[Mapping[str, Any]]:
        pages: Iterator[Mapping[str, Any]] = self._connect("s3").get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, **request)
        yield from pages

    def _named(self, path: str) -> str:
        return f"{self.address}/{path}"
