"""What requests to S3 cost, about: enough to see whether a wait costs cents or hundreds of dollars."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prices:
    """
    US dollars for 1,000 requests.

    The defaults are those of S3 Standard in us-east-1, by https://aws.amazon.com/s3/pricing/ in 2026. Other Regions and
    storage classes cost more, other stores maybe nothing.

    :param head: of HEADs ("GET, SELECT, and all other requests").
    :param origin: whose prices they are, as a message says it.
    """

    head: float = 0.0004
    origin: str = "in us-east-1"

    def of_heads(self, number: int) -> str:
        """
        Return what HEADs cost, in words: ``about $34.56 in us-east-1``.

        :param number: how many.
        """
        dollars = number / 1000 * self.head
        return f"{f'about ${dollars:,.2f}' if dollars >= 0.01 else 'less than $0.01'} {self.origin}"
