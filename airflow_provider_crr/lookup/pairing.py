"""
Which question an answer belongs to: the rule that both clients keep.

HTTP/1.1 pairs questions and answers by their order on a connection, and by nothing else (RFC 9112, section 9.3). So the
first answer on a connection belongs to its question. A later answer counts only if each question before it had exactly
one answer, and if nothing follows it.

An endpoint that once sent more than one answer to a question is asked only one question a connection from then on. An
endpoint that is not known yet is on probation: a connection is used again only after it was quiet for a while, so that
an endpoint that sends too much is found out first.
"""

from __future__ import annotations

import time
from itertools import count
from typing import NamedTuple

#: Seconds for which a connection rests after an answer, at least and at most. Whatever follows the answer is seen in
#: this time. With enough connections a rest that is as long as an answer takes costs no throughput.
MIN_REST = 0.02
MAX_REST = 1.0
#: The shortest rest where somebody asks for one object after the other, and waits for each.
SHORT_REST = 0.005
#: Seconds for which a connection to an endpoint on probation is not used again; and how often nothing must have
#: followed an answer for as long until the probation ends.
PROBATION = 0.5
_PROOFS = 32
#: Seconds after which bytes on an idle connection are no second answer: some proxies send 408 then, and close it.
LONG_IDLE = 1.0
#: A rest lasts until this many times the usual time to answer has passed since the question was sent. If what came was
#: not its answer, its own answer comes by then.
_PATIENCE = 2.0
#: How much one answer changes the usual time to answer.
_WEIGHT = 1 / 16
#: Request ids that are remembered of a client's endpoints together, at least; twice as many at most.
_RECENT = 2048
#: Endpoints that are remembered of a client, those that were convicted left out.
_MOST = 2000
#: The numbers of the endpoints. An address in memory would be given again, to another one.
_numbers = count()


class Endpoint(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


class RecentIds:
    """The latest request ids. Several threads use it, without a lock: see :class:`Exchange`."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, str], object] = {}
        self._older_ids: dict[tuple[int, str], object] = {}

    def add(self, endpoint: int, request_id: str) -> bool:
        """
        Remember an id; return False if it is known.

        :param endpoint: a number of the endpoint: another one may give the same ids, such as one that counts.
        :param request_id: the id.
        """
        mine, of_endpoint = object(), (endpoint, request_id)
        if of_endpoint in self._older_ids or self._ids.setdefault(of_endpoint, mine) is not mine:
            return False
        if len(self._ids) >= _RECENT:
            self._older_ids, self._ids = self._ids, {}
        return True


class Exchange:
    """
    How one endpoint answers.

    Several threads use it. It has no lock, which a fork could leave locked for ever.

    :param recent: the request ids of the client's latest answers; None for a memory of its own.
    """

    def __init__(self, recent: RecentIds | None = None) -> None:
        self._number = next(_numbers)
        #: When it was asked about last, by ``time.monotonic``.
        self.needed_at = 0.0
        #: Whether it ever sent more than one answer to a question. Then no connection to it is used twice.
        self.convicted = False
        #: How often nothing followed an answer for as long as the probation asks.
        self._proofs = 0
        #: Seconds to answer: on average, and of the slower ones among the latest answers.
        self._usual = self._slower = 0.0
        self._recent = recent or RecentIds()
        self._first_id = ""
        self._ids_differ = False
        self._ids_identify = True
        #: Until when, by ``time.monotonic``, it is known that boto3 trusts it, and that the runtime cannot connect.
        self.trusted_until = self.refused_until = 0.0

    def convict(self) -> None:
        """Note that something followed an answer."""
        self.convicted = True

    @property
    def is_trusted(self) -> bool:
        """Whether its probation has ended: nothing followed many answers."""
        return self._proofs >= _PROOFS

    def note_quiet(self, answered_at: float) -> None:
        """Note that nothing followed an answer until now."""
        if time.monotonic() - answered_at >= PROBATION:
            self._proofs += 1

    def usable_at(self, answered_at: float, rests_until: float) -> float:
        """
        Return from when on a connection may be used again.

        :param answered_at: when its latest answer came, by ``time.monotonic``.
        :param rests_until: until when it rests, see :meth:`rest_until`.
        """
        return rests_until if self.is_trusted else max(rests_until, answered_at + PROBATION)

    def rest_until(self, sent_at: float, came_at: float, *, single: bool = False) -> float:
        """
        Take note of an answer, and return until when its connection rests.

        :param sent_at: when its question was sent, by ``time.monotonic``.
        :param came_at: when it came.
        :param single: whether somebody waits for this one answer, rather than for many.
        """
        took = came_at - sent_at
        self._usual += (took - self._usual) * (_WEIGHT if self._usual else 1.0)
        # It rises at once and falls slowly, because a busy endpoint or machine is slow for more than one answer.
        self._slower = max(took, self._slower + (took - self._slower) * _WEIGHT)
        least, time_to_answer = (SHORT_REST, self._usual) if single else (MIN_REST, self._slower)
        return min(came_at + MAX_REST, max(came_at + least, sent_at + _PATIENCE * time_to_answer))

    def repeats(self, request_id: str | None, *, is_first: bool) -> bool:
        """
        Return whether an answer has the request id of an earlier one, at an endpoint whose ids differ.

        :param request_id: its ``x-amz-request-id``, which S3 gives once only.
        :param is_first: whether it is the first on its connection, and therefore its question's. If even such an answer
            repeats an id, ids do not identify answers here.
        """
        if not request_id or not self._ids_identify:
            return False
        self._first_id = self._first_id or request_id
        self._ids_differ = self._ids_differ or request_id != self._first_id
        if self._recent.add(self._number, request_id):
            return False
        if self._ids_differ and is_first:
            self._ids_identify = False
        return self._ids_differ and not is_first


class Pairing:
    """
    What one client knows of the endpoints that it asks.

    Several threads use it, without a lock, as with :class:`Exchange`. An endpoint that was forgotten is on probation
    again.
    """

    def __init__(self) -> None:
        #: Whether MinIO was met at an endpoint with a name of Amazon's: :mod:`.store_headers`.
        self.at_minio = False
        self._exchanges: dict[Endpoint, Exchange] = {}
        self._recent = RecentIds()

    def at(self, endpoint: Endpoint) -> Exchange:
        """Return what is known of one endpoint."""
        exchange = self._exchanges.get(endpoint)
        if exchange is None:
            self._make_room()
            exchange = self._exchanges.setdefault(endpoint, Exchange(self._recent))
        exchange.needed_at = time.monotonic()
        return exchange

    def _make_room(self) -> None:
        """Forget the endpoints that were needed longest ago: each bucket may have one of its own."""
        if len(self._exchanges) < _MOST:
            return
        known = [(each.needed_at, endpoint) for endpoint, each in list(self._exchanges.items()) if not each.convicted]
        for _, endpoint in sorted(known)[: _MOST // 10]:  # many at once, for this takes longer than to find one
            self._exchanges.pop(endpoint, None)
