"""
Every error that this provider raises, in one tree.

Each error carries its data as attributes, names the S3 URI that it is about and the remedy, and keeps its cause. Those
that end a task without a retry derive from an error of Airflow's, too: see :mod:`airflow_provider_crr.failures`.
"""

from __future__ import annotations

import errno
from typing import Any

from airflow_provider_crr.text import legible
from airflow_provider_crr.text.lines import INDENT, WIDTH, wrapped

#: Characters of the longest URI: bucket or ARN, a key of 1,024 bytes, all of it spelled out.
_LONGEST_URI = 10_000


class CrrError(Exception):
    """
    Base of every error of this provider.

    Its text is always legible, bounded, and without the name and password of a URL. One that ends a lookup says by
    ``not_sent`` about how many of the objects that the lookup has read no HEAD was sent for certain. One that says that
    S3 denied access has ``is_denied``; one that passes by itself has ``passing``.

    :param message: what is wrong, one sentence without a full stop.
    :param uri: the S3 URI that it is about, or None.
    :param remedy: what to do about it, one sentence, or None.
    """

    not_sent = 0
    is_denied = False
    passing = False

    def __init__(self, message: str, *, uri: str | None = None, remedy: str | None = None) -> None:
        self.message = legible.message(message)
        # A key may look like a URL with a password, and stays what it is.
        uri = uri and uri[:_LONGEST_URI]
        self.uri = uri if not uri or uri.startswith("s3://") else legible.mask_userinfo(uri)
        self.remedy = remedy and legible.message(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return URI, message and remedy as one line."""
        uri = legible.shortened(self.uri, _LONGEST_URI) if self.uri else ""
        subject = f"{uri}: " if uri and uri not in self.message else ""
        remedy = f". {self.remedy}" if self.remedy else ""
        return f"{subject}{self.message}{remedy}"

    def lines(self) -> list[str]:
        """Return the same as lines that a log shows without a cut: URI, message, and the remedy by itself."""
        if "\n" in self.message:
            return str(self).split("\n")
        uri = legible.shortened(self.uri, _LONGEST_URI) if self.uri else ""
        subject = f"{uri}:" if uri and uri not in self.message else ""
        known = f"{subject} {self.message}".lstrip()
        said = [known] if len(known) <= WIDTH else [*([subject] if subject else []), *wrapped(self.message)]
        return [*said, *(wrapped(f"To do: {self.remedy}", INDENT) if self.remedy else [])]

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form in which an error crosses from a trigger to its task."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "uri": self.uri,
            "remedy": self.remedy,
        }


class InvalidArgument(CrrError, ValueError):
    """An operator, sensor, hook or value was given something that can never work."""

    def of(self, name: str) -> InvalidArgument:
        """
        Return the same error, whose message begins with the name of an argument.

        :param name: the argument.
        """
        return InvalidArgument(f"{name}: {self.message}", uri=self.uri, remedy=self.remedy)


class LookupFailed(CrrError):
    """
    S3 could not be asked: no credentials, no such bucket, no permission to list, or no answer.

    :param passing: whether it passes by itself, such as throttling or a time-out. A task that waits goes on waiting.
    """

    def __init__(
        self, message: str, *, uri: str | None = None, remedy: str | None = None, passing: bool = False
    ) -> None:
        super().__init__(message, uri=uri, remedy=remedy)
        self.passing = passing

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form, with ``passing`` where it holds."""
        return {**super().to_dict(), **({"passing": True} if self.passing else {})}


class BucketNotFound(LookupFailed):
    """The bucket does not exist, or not under the endpoint and the account that were asked."""


class CredentialsNotFound(LookupFailed):
    """The connection yields no AWS credentials."""


class OutOfMemory(CrrError):
    """The memory that the work may use does not suffice for it."""


class DiskFull(CrrError):
    """A disk of the worker has no room for a file."""


class PackageMissing(CrrError):
    """An optional Python package that the work needs is not installed."""


class GivenUp(CrrError):
    """The work was ended early, because nobody waits for its result any longer."""


class EventInvalid(CrrError):
    """A message is not an S3 event notification, or has a form that is not known."""


class InventoryError(CrrError):
    """An inventory report cannot be trusted; nothing of it was counted."""


class InventoryNotFound(InventoryError):
    """No complete report is at the place that was named, or a file of the report is missing."""


class InventoryManifestInvalid(InventoryError):
    """``manifest.json`` is not what S3 Inventory writes, or does not match its checksum."""


class ReplicationStatusMissing(InventoryManifestInvalid):
    """The report was configured without the ReplicationStatus field."""


class InventoryFileInvalid(InventoryError):
    """A data file does not match the manifest: size, MD5, or a row that does not fit the schema."""


class BatchManifestInvalid(InvalidArgument):
    """A manifest is not one that S3 Batch Replication takes, or names something else than what it should."""


class CompletionReportInvalid(CrrError):
    """The completion report of an S3 Batch Operations job cannot be trusted; nothing of it was counted."""


def of_disk(code: int | None) -> type[CrrError]:
    """
    Return the class for an error of the worker's disk.

    :param code: the system's number of the error: no room, no quota, and a file that is too large are a full disk.
    """
    return DiskFull if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else CrrError


def from_dict(data: dict[str, Any]) -> CrrError:
    """
    Return the error that :meth:`CrrError.to_dict` described.

    :param data: what ``to_dict`` returned. An unknown type becomes a plain :class:`CrrError`, so that a message
        from a newer or older release is still shown.
    """
    known = globals().get(str(data.get("type")))
    error_type = known if isinstance(known, type) and issubclass(known, CrrError) else CrrError
    if data.get("passing") and issubclass(error_type, LookupFailed):
        return error_type(str(data.get("message")), uri=data.get("uri"), remedy=data.get("remedy"), passing=True)
    return error_type(str(data.get("message")), uri=data.get("uri"), remedy=data.get("remedy"))


def again(error: CrrError) -> CrrError:
    """Return an equal error with the same cause, for another thread to raise."""
    equal = from_dict(error.to_dict())
    equal.__cause__ = error.__cause__
    return equal
