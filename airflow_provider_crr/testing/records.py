"""What the doubles of S3 tell the test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FakeS3:
    """
    What was asked of :func:`~airflow_provider_crr.testing.fake_s3`.

    :param requests: name of each request and the S3 URI that it is about, such as ``("HeadObject", "s3://b/k")``.
    :param deleted: S3 URI of each version that was deleted, or of the key if no version was named.
    :param written: S3 URI -> the bytes that were written there last.
    """

    requests: list[tuple[str, str]]
    deleted: list[str]
    written: dict[str, bytes]

    @classmethod
    def unasked(cls) -> FakeS3:
        """Return a record without any request."""
        return cls([], [], {})

    def looks(self, uri: str) -> int:
        """Return how often an object was asked for with HEAD, by its S3 URI."""
        return self.requests.count(("HeadObject", uri))


@dataclass(frozen=True, slots=True)
class FakeInventory:
    """
    Where the report of :func:`~airflow_provider_crr.testing.fake_inventory` is.

    :param folder: S3 URI of the folder of the inventory configuration.
    :param manifest: S3 URI of the report's ``manifest.json``.
    """

    folder: str
    manifest: str
