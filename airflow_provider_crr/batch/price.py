"""
What S3 Batch Replication costs, beside the replication itself.

The prices are those of us-east-1, by https://aws.amazon.com/s3/pricing/ in 2026. They are charged for each object of
the manifest, also for one that is replicated already, or that S3 refuses.
"""

from __future__ import annotations

#: US dollars for a job, and for a million objects in its manifest.
JOB_USD, MILLION_USD = 0.25, 1.00


def price_usd(objects: int) -> float:
    """
    Return what a job costs, US dollars.

    :param objects: how many objects its manifest has.
    """
    return round(JOB_USD + objects / 1_000_000 * MILLION_USD, 6)


def price_line(objects: int | None) -> str:
    """
    Return what a job costs, in words.

    :param objects: how many objects its manifest has; None if only S3 can count them.
    """
    parts = f"${JOB_USD:.2f} a job and ${MILLION_USD:.2f} a million objects"
    also = "and replication itself (requests, transfer, storage) as always"
    if objects is None:
        return f"the price is {parts} in us-east-1, {also}; the count is not known"
    return f"{objects:,} objects cost about ${price_usd(objects):,.2f} ({parts} in us-east-1), {also}"
