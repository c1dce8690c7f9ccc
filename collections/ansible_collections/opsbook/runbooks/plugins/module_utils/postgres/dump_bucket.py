# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps as objects of an S3 bucket.

A dump is made in a local folder and uploaded in parts, each with its SHA-256, which S3 compares itself: an upload that ends
well is what was sent, and one that does not leaves no object. Parts of an upload whose run was killed stay unseen; a
life-cycle rule of the bucket removes them.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..aws.client import Connect
from ..aws.errors import explain, is_aws
from ..core.errors import Missing, OperationError, Refused
from ..core.run import Run
from .dump_files import MANIFEST_SUFFIX, PROOF_SUFFIX, Dump
from .dump_manifest import Manifest
from .dump_places import Listing, check_workspace, listing_of, working_path
from .local_files import explaining_files, free_bytes, remove_local

MOST_OBJECTS = 20_000


@dataclass(frozen=True)
class Bucket:
    """A bucket, or the objects of it whose keys begin alike.

    :param prefix: what comes before the dumps' names, as `backups/media/`
    :param workspace: the local folder in which dumps are made, or fetched to
    """

    connect: Connect
    bucket: str
    prefix: str
    workspace: Path

    @property
    def where(self) -> str:
        """The place as resources and messages name it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def listing(self, run: Run, prefix: str) -> Listing:
        """Everything that begins with the prefix, and the manifests.

        :raises OperationError: when anything could not be read, or there is more than a prefix of dumps has
        """
        sizes: dict[str, int] = {}
        with self._explaining("list the dumps in an S3 bucket", self.where):
            pages = self.connect("s3").get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}-"):
                sizes.update({entry["Key"][len(self.prefix):]: int(entry["Size"]) for entry in page.get("Contents") or ()})
                if len(sizes) > MOST_OBJECTS:
                    raise OperationError("list the dumps in an S3 bucket", self.where,
                                         f"there are more than {MOST_OBJECTS:,} objects", "Give the dumps a prefix alone.")
        names = [name for name in sizes if name.endswith((MANIFEST_SUFFIX, PROOF_SUFFIX))]
        texts = {}
        for done in run.each(self._text, names):
            if isinstance(done.error, Missing):
                continue  # deleted meanwhile
            if done.error is not None:
                raise done.error
            texts[done.item] = str(done.answer)
        return listing_of({name: size for name, size in sizes.items() if name not in texts}, texts)

    def publish(self, run: Run, made: Path, name: str, manifest: Manifest) -> None:
        """Upload a finished dump, see that all of it is there, then put its manifest."""
        key, client = f"{self.prefix}{name}", self.connect("s3")
        try:
            with self._explaining("upload a dump", f"{self.where}/{name}"):
                client.upload_file(str(made), self.bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"},
                                   Callback=lambda sent: run.may_change())
                self._compare(client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED"), name, manifest)
                run.may_change()
                client.put_object(Bucket=self.bucket, Key=key + MANIFEST_SUFFIX, Body=manifest.as_text().encode(),
                                  ContentType="application/json")
        except BaseException:
            # Without its manifest nothing would ever delete it. Why it failed matters more than that it may still be there.
            with suppress(OperationError):
                self.remove(name)
            raise

    def note(self, name: str, text: str) -> None:
        """Write beside a dump that it was restored."""
        with self._explaining("write down that a dump was restored", f"{self.where}/{name}"):
            self.connect("s3").put_object(Bucket=self.bucket, Key=f"{self.prefix}{name}{PROOF_SUFFIX}", Body=text.encode(),
                                          ContentType="application/json")

    def remove(self, name: str) -> None:
        """Remove a dump, then its manifest: what is left of a run killed between is still known to be ours."""
        with self._explaining("remove a dump", f"{self.where}/{name}"):
            for key in (name, name + PROOF_SUFFIX, name + MANIFEST_SUFFIX):
                self.connect("s3").delete_object(Bucket=self.bucket, Key=f"{self.prefix}{key}")

    def fetch(self, run: Run, dump: Dump) -> Path:
        """Download a dump.

        :raises Refused: when there is no room for it
        """
        needed, free = dump.size or 0, free_bytes(self.workspace)
        if needed > free:
            raise Refused("download a dump", dump.name,
                          f"it has {needed:,} bytes, and {free:,} are free in {self.workspace}",
                          "Make room, or give another workspace.")
        path = working_path(self, dump.name)
        try:
            with self._explaining("download a dump", f"{self.where}/{dump.name}"):
                self.connect("s3").download_file(self.bucket, f"{self.prefix}{dump.name}", str(path),
                                                 Callback=lambda received: run.may_change())
        except BaseException:
            remove_local(path)
            raise
        return path

    def _text(self, name: str) -> str:
        with self._explaining("read the manifest of a dump", f"{self.where}/{name}"):
            body = self.connect("s3").get_object(Bucket=self.bucket, Key=f"{self.prefix}{name}")["Body"]
            return str(body.read().decode("utf-8", "replace"))

    def _compare(self, seen: Mapping[str, Any], name: str, manifest: Manifest) -> None:
        """See that the object is the dump. Of one uploaded in parts, which its ETag tells, S3 has compared each part."""
        [file] = manifest.files
        expected = base64.b64encode(bytes.fromhex(file.sha256)).decode()
        whole = "-" not in seen["ETag"]
        if seen["ContentLength"] != file.size or (whole and seen.get("ChecksumSHA256", expected) != expected):
            raise OperationError("upload a dump", f"{self.where}/{name}", "S3 holds something else than was sent",
                                 "It has no manifest, so nothing takes it for a good dump. Run again.")

    @contextmanager
    def _explaining(self, attempted: str, resource: str) -> Iterator[None]:
        """Turn exceptions of boto3 and of the disk into an OperationError that names what was attempted."""
        try:
            with explaining_files(attempted, resource):
                yield
        except Exception as error:
            if not is_aws(error):
                raise
            # boto3 makes an exception of its own of what S3 answered to an upload.
            answered = error.__context__
            raise explain(answered if answered and is_aws(answered) else error, attempted, resource) from error


def workspace_of(options: Mapping[str, Any]) -> Path:
    """The local folder for what goes to a bucket or comes from it.

    :raises Refused: for a dump of many files
    """
    if options.get("format") == "directory":
        raise Refused("keep a dump in S3", "format", "a dump of the directory format is many files", "Use format custom.")
    return check_workspace(Path(options.get("workspace") or tempfile.gettempdir()), "workspace")
