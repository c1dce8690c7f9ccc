# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options that say where dumps of PostgreSQL lie, written once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description:
      - What the names of the dumps begin with, as V(media) for C(media-20261121T020000Z.dump). Letters, digits, dots,
        hyphens and underscores.
    type: str
    required: true
  destination:
    description:
      - The folder of the dumps, on the machine where the task runs. It has to exist, since a missing folder may be a disk
        that is not mounted. Either this or O(bucket) is needed.
    type: path
  bucket:
    description:
      - The S3 bucket of the dumps. Either this or O(destination) is needed.
    type: str
  prefix:
    description:
      - What comes before the dumps' names in O(bucket), as V(backups/media/).
    type: str
    default: ''
  workspace:
    description:
      - With O(bucket), a local folder with room for a dump on its way to or from S3. Without it the system's folder for
        temporary files.
    type: path
  bin_dir:
    description:
      - The folder of C(pg_dump) and C(pg_restore). Without it those on C(PATH).
    type: path
requirements:
  - pg_dump and pg_restore, of at least the server's major version
  - boto3 >= 1.44, for dumps in S3
notes:
  - A dump is good when a manifest of ours (C(NAME.manifest.json)) lies beside it and it is as large as that says. What else
    lies there is neither used nor deleted.
  - A dump whose name says that it was begun more than five minutes later than now is from a machine with another clock. It
    counts neither as the newest nor among those that are kept, it is not deleted, and the task warns of it.
  - B(Password) - C(pg_dump) and C(pg_restore) get it by their environment, never by their command line.
"""
