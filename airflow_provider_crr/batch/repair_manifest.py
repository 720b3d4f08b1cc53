"""
The list of objects that S3 Batch Operations takes: the format ``S3BatchOperations_CSV_20180820``.

It is CSV without a header, with an object version on each row: `Specifying a manifest
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html>`__. All rows have the same
columns, and a job takes objects of one bucket.
"""

from __future__ import annotations

FORMAT = "S3BatchOperations_CSV_20180820"
CONTENT_TYPE = "text/csv"
DELIMITER, QUOTE = ",", '"'
#: Keys are URL-encoded, but for this character, as S3 leaves it in its own reports.
NOT_ENCODED = "/"
#: The version id of an object that was written while its bucket had no versioning.
NULL_VERSION = "null"


def fields(*, versions: bool) -> tuple[str, ...]:
    """
    Return what is on each row, in order and as CreateJob calls it.

    :param versions: whether each row names a version.
    """
    return ("Bucket", "Key", "VersionId") if versions else ("Bucket", "Key")
