"""What to do about a summary."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_crr.inventory.render.findings import (
    OLD,
    SOON,
    counted,
    lifecycle,
    parts,
    pending_ages_unknown,
    volume_of,
)
from airflow_provider_crr.inventory.summary import Summary
from airflow_provider_crr.text.humanize import age, count


@dataclass(frozen=True, slots=True)
class Step:
    """
    One thing to do.

    :param title: the problem.
    :param brief: what to do, in a line for the log.
    :param text: what to do and why, in sentences.
    :param status: the status that is the problem, in lower case, or None.
    :param uri: S3 URI of a file to do it with, or None.
    """

    title: str
    brief: str
    text: str
    status: str | None = None
    uri: str | None = None


def steps(summary: Summary) -> list[Step]:
    """Return what to do next, the most urgent first; never empty."""
    needed = [*_failed(summary), *_pending(summary), *_none(summary), *_other(summary), *_lifecycle(summary)]
    if needed:
        return needed
    if not summary.volume.objects:
        text = "Check that the inventory configuration covers the prefix and the versions that you mean."
        return [Step("The report is empty", text.rstrip("."), text)]
    text = "Every object that the report lists is replicated."
    return [Step("Nothing to do", text.rstrip("."), text, "completed")]


def _failed(summary: Summary) -> list[Step]:
    failed = volume_of(summary, "FAILED").objects
    if not failed:
        return []
    text = (
        "S3 never retries these by itself, not even once the cause is gone. First repair the cause: the permissions "
        "of the replication role, the KMS keys, the destination bucket and its versioning. Then run S3 Batch "
        "Replication (an S3 Batch Operations job, operation S3ReplicateObject)"
    )
    brief = "S3 never retries; repair the cause, then run S3 Batch Replication"
    if summary.failed_manifest_uri:
        brief += " on"
        text += " on the manifest that was written for it, in the format S3BatchOperations_CSV_20180820:"
    else:
        brief += " (failed_manifest_uri writes its manifest)"
        text += "; set failed_manifest_uri on the task to have its manifest written."
    return [Step(f"{counted(summary, failed)} FAILED", brief, text, "failed", summary.failed_manifest_uri)]


def _pending(summary: Summary) -> list[Step]:
    pending = volume_of(summary, "PENDING").objects
    if not pending:
        return []
    oldest = summary.oldest_pending
    if oldest is None:
        brief = "how long they have been waiting is not known"
        text = "How long they have been waiting is not known."
        if pending_ages_unknown(summary):
            text += " The report has no LastModifiedDate; add that field to the inventory configuration."
    else:
        brief, text = _waited(summary, oldest.age_seconds)
    return [Step(f"{counted(summary, pending)} PENDING", brief, text, "pending")]


def _waited(summary: Summary, seconds: float) -> tuple[str, str]:
    waited = f"The oldest was {age(seconds)} old when the scan began."
    if seconds < SOON:
        return "nothing to do yet", f"{waited} Most objects take less than 15 minutes: nothing to do yet."
    if seconds < OLD:
        return "look again at the next report", (
            f"{waited} S3 goes on trying; large objects may take hours. Look again at the next report, or at the "
            "CloudWatch metric OperationsPendingReplication in the destination Region."
        )
    late = sum(
        band.volume.objects for band in summary.pending_ages if band.upper_seconds is None or band.upper_seconds > OLD
    )
    many = f" {counted(summary, late)} had waited longer than a day." if late else ""
    brief = f"{count(late)} for over a day" if late else "the oldest for over a day"
    return f"{brief}; check the destination bucket and the rules", (
        f"{waited}{many} S3 goes on trying, but after a day something is usually wrong: look for a destination "
        "bucket or Region that cannot be reached, a paused or disabled rule, or request limits. Writing the object "
        "again, or S3 Batch Replication with a manifest, starts it again."
    )


def _none(summary: Summary) -> list[Step]:
    none = volume_of(summary, "NONE").objects
    if not none:
        return []
    text = (
        "S3 never tried: no enabled rule covered them when they were written. Either they are older than the rule "
        "(S3 Batch Replication copies existing objects), or no rule matches their prefix and tags, or the rule "
        "leaves them out (SSE-KMS without opt-in, Glacier storage classes, replicas). If they are not meant to be "
        "replicated, all is well."
    )
    brief = "no rule covered them when they were written, or they are older than the rule"
    return [Step(f"{counted(summary, none)} without a status", brief, text, "none")]


def _other(summary: Summary) -> list[Step]:
    unknown = [part for part in parts(summary.statuses) if part.kind == "other"]
    if not unknown:
        return []
    many = sum(part.volume.objects for part in unknown)
    names = ", ".join(part.name for part in unknown)
    text = f"The report says {names}. They are taken as not replicated; ask S3 about some of them with HEAD."
    return [Step(f"{counted(summary, many)} with a status that S3 does not document", names, text, "other")]


def _lifecycle(summary: Summary) -> list[Step]:
    if not summary.lifecycle_held.objects:
        return []
    text = f"{lifecycle(summary)}. What should have expired is kept, and billed, until they are replicated."
    return [Step("Expiry and transition", lifecycle(summary), text)]
