"""What a summary says, in words that every form of the report shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_crr.inventory.summary import SETTLED, Statuses, Summary, Volume, total
from airflow_provider_crr.text.humanize import age, count, share, size
from airflow_provider_crr.text.legible import legible

#: The statuses from the worst to the best; ``""`` stands for unknown ones.
ORDER = ("FAILED", "PENDING", "NONE", "", "COMPLETED", "REPLICA")
#: So many unknown statuses are shown one by one.
MAX_UNKNOWN = 4
#: S3 Replication Time Control promises that a replica is there after so many seconds.
SOON = 15 * 60
#: What is PENDING for more seconds than this needs a look.
OLD = 24 * 3600

MEANINGS = {
    "FAILED": "S3 gave up and never retries",
    "PENDING": "it, or a change of its metadata, is not copied to every destination yet",
    "NONE": "no status: S3 never tried",
    "COMPLETED": "copied to every destination",
    "REPLICA": "is itself a copy made by replication",
}

Level = Literal["empty", "good", "moving", "watch", "bad"]

HEADLINES: dict[Level, str] = {
    "empty": "Nothing to judge",
    "good": "All replicated",
    "moving": "On its way",
    "watch": "Look into it",
    "bad": "Needs repair",
}


@dataclass(frozen=True, slots=True)
class Part:
    """
    One status as a part of a whole.

    :param name: the status, legible.
    :param kind: ``failed``, ``pending``, ``none``, ``completed``, ``replica`` or ``other``: how it looks.
    :param volume: how much of it there is.
    """

    name: str
    kind: str
    volume: Volume

    @property
    def meaning(self) -> str:
        """What the status means, in a few words."""
        return MEANINGS.get(self.name, "not a status that S3 documents")

    @property
    def settled(self) -> bool:
        """Whether it means that the replica is there."""
        return self.name in SETTLED


def parts(statuses: Statuses) -> tuple[Part, ...]:
    """Return the statuses that occur, worst first; where there are many unknown ones, the last ones are one part."""
    known = [Part(name, name.lower(), statuses[name]) for name in ORDER if name and name in statuses]
    unknown = [Part(legible(name) or '""', "other", statuses[name]) for name in sorted(set(statuses) - set(MEANINGS))]
    if len(unknown) > MAX_UNKNOWN:
        rest = unknown[MAX_UNKNOWN - 1 :]
        together = sum((part.volume for part in rest), Volume())
        unknown[MAX_UNKNOWN - 1 :] = [Part(f"{len(rest)} other values", "other", together)]
    alarming = [part for part in known if not part.settled]
    shown = [*alarming, *unknown, *(part for part in known if part.settled)]
    return tuple(part for part in shown if part.volume.objects)


def counted(summary: Summary, n: int) -> str:
    """Return a number with its noun: ``1 object``, ``4 object versions``."""
    noun = "object" if summary.versions == "current" else "object version"
    return f"{count(n)} {noun}{'' if n == 1 else 's'}"


def volume_of(summary: Summary, *names: str) -> Volume:
    """Return the volume of the statuses named."""
    return total(summary.statuses, only=names)


def level(summary: Summary) -> Level:
    """Return how much attention the report asks for."""
    if not summary.volume.objects:
        return "empty"
    if volume_of(summary, "FAILED").objects or not volume_of(summary, *SETTLED, "PENDING").objects:
        return "bad"
    if any(not part.settled and part.kind != "pending" for part in parts(summary.statuses)):
        return "watch"
    if not volume_of(summary, "PENDING").objects:
        return "good"
    oldest = summary.oldest_pending
    return "moving" if oldest and oldest.age_seconds < OLD else "watch"


def verdict(summary: Summary) -> str:
    """Return the whole report in one sentence."""
    objects = summary.volume.objects
    if not objects:
        markers = f", only {count(summary.delete_markers)} delete markers" if summary.delete_markers else ""
        noun = "objects" if summary.versions == "current" else "object versions"
        return f"The report lists no {noun}{markers}"
    settled = volume_of(summary, *SETTLED).objects
    if settled == objects:
        return f"All {counted(summary, objects)} are replicated" if objects > 1 else "The only object is replicated"
    open_parts = [_open(part, summary) for part in parts(summary.statuses) if not part.settled]
    return f"{share(settled, objects)} of {counted(summary, objects)} replicated; {', '.join(open_parts)}"


def _open(part: Part, summary: Summary) -> str:
    words = f"{count(part.volume.objects)} {part.name}"
    if part.kind == "pending" and summary.oldest_pending:
        words += f" (oldest {age(summary.oldest_pending.age_seconds)})"
    return words


def lifecycle(summary: Summary) -> str:
    """Return on how many objects lifecycle rules are held back, one sentence."""
    held = summary.lifecycle_held
    if not held.objects:
        return "Lifecycle rules are held back on nothing"
    them, are = ("it", "it is") if held.objects == 1 else ("them", "they are")
    return (
        f"Lifecycle rules are held back on {counted(summary, held.objects)}, {size(held.bytes)}: S3 neither expires "
        f"nor transitions {them} while {are} PENDING or FAILED"
    )


def pending_ages_unknown(summary: Summary) -> bool:
    """Return whether there are PENDING versions, and the report does not say how old they are."""
    return bool(volume_of(summary, "PENDING").objects) and not summary.pending_ages


def as_of(summary: Summary) -> str:
    """Return of what time the statuses are, one sentence."""
    return (
        f"Statuses are as of the inventory scan that S3 began at {summary.created_at:%Y-%m-%d %H:%M} UTC; they may "
        "have changed since, and an inventory may miss the newest writes"
    )


def unlisted(summary: Summary) -> str:
    """Return what the counts include or leave out, a few words, or ``""``: noncurrent versions and delete markers."""
    remarks = []
    if summary.noncurrent_versions:
        remarks.append(f"{count(summary.noncurrent_versions)} of them noncurrent")
    if summary.delete_markers:
        remarks.append(f"{count(summary.delete_markers)} delete markers left out")
    return ", ".join(remarks)


def facts(summary: Summary) -> list[tuple[str, str]]:
    """Return where the report comes from, as names and values."""
    depth = summary.prefix_depth
    rows = [
        ("Source bucket", summary.source_bucket),
        ("Inventory scan", f"{summary.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Manifest", summary.manifest),
        ("Format", summary.format),
        ("Versions counted", "every version" if summary.versions == "all" else summary.versions),
        ("Noncurrent versions", count(summary.noncurrent_versions)),
        ("Delete markers", f"{count(summary.delete_markers)}, counted nowhere else"),
        ("Prefix depth", f"{depth} key segment{'' if depth == 1 else 's'}" if depth else "0, no prefixes"),
    ]
    if summary.failed_manifest_uri:
        rows.append(("Manifest of FAILED", summary.failed_manifest_uri))
    return rows
