"""What requests to S3 cost, about: enough to see whether a wait costs cents or hundreds of dollars."""

from __future__ import annotations

#: US dollars for 1,000 HEADs ("GET, SELECT, and all other requests", S3 Standard) in us-east-1, by
#: https://aws.amazon.com/s3/pricing/ in 2026. Other Regions and storage classes cost more, other stores maybe nothing.
HEADS = 0.0004


def of_heads(number: int) -> str:
    """
    Return what HEADs cost, in words: ``about $34.56``.

    :param number: how many.
    """
    dollars = number / 1000 * HEADS
    return f"about ${dollars:,.2f}" if dollars >= 0.01 else "less than $0.01"
