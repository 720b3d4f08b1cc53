"""
Chooses how S3 is asked: through boto3, or about many objects through the AWS Common Runtime.

Importing this module loads neither of them. Airflow forks, so each is loaded and set up by the process that uses it,
when it is first used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import cache
from itertools import chain, islice
from threading import Event
from typing import Protocol
from urllib.parse import urlsplit

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.lookup.asker import Asker, ask_all
from airflow_provider_crr.lookup.boto3_asker import BotoAsker, S3Client, head
from airflow_provider_crr.lookup.pace import CountedPace, OnePace, Pace, Pacer
from airflow_provider_crr.lookup.refusals import Refusals
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.deadline import each_until
from airflow_provider_crr.s3.objects import S3Object

log = logging.getLogger(__name__)


class HeadLookup(Protocol):
    """Asks S3 about objects."""

    def __call__(self, objects: Iterable[S3Object], *, stop: Event | None = None) -> Iterator[ObjectReplication]:
        """
        Yield exactly one answer for each object, in any order.

        :param objects: what to ask for, of any length; read only a few hundred ahead of the answers.
        :param stop: once set, nothing more is asked.
        :raises LookupFailed: if ``stop`` is set before every answer is in, or the connection can never work.
        """


def choose_lookup(client: S3Client, *, max_requests_per_second: float | None = None) -> HeadLookup:
    """
    Return the fastest lookup that honours everything the client is configured with.

    :param client: boto3 S3 client.
    :param max_requests_per_second: requests that may leave each second, retries included; None for as many as
        possible. All calls about several objects share this limit, and what was learnt of S3's own limits.
    :raises InvalidArgument: if ``max_requests_per_second`` is not above zero.
    """
    pace = OnePace(Pacer(max_requests_per_second))

    @cache
    def chosen() -> Callable[[Pace], Asker]:
        return choose_asker(client)

    def lookup(objects: Iterable[S3Object], *, stop: Event | None = None) -> Iterator[ObjectReplication]:
        return each_until(stop, answers(objects, stop))

    def answers(objects: Iterable[S3Object], stop: Event | None) -> Generator[ObjectReplication]:
        refusals, counted = Refusals(client), CountedPace(pace)
        read = 0

        def noted() -> Iterator[S3Object]:
            nonlocal read
            for obj in objects:
                read += 1
                yield obj

        remaining = noted()
        try:
            first = list(islice(remaining, 2))
            if len(first) < 2 and not (stop is not None and stop.is_set()):
                if not first:
                    return
                # For one object boto3 is faster: it starts no threads, and may have a connection open.
                answer = head(client, first[0])
                counted.claimed = 1
                yield refusals.explain(answer)
            else:
                with closing(ask_all(chain(first, remaining), lambda: chosen()(counted), stop)) as unexplained:
                    yield from map(refusals.explain, unexplained)
        except CrrError as error:
            error.not_sent = max(0, read - counted.claimed)  # each attempt was claimed, those of retries, too
            raise

    return lookup


def choose_asker(client: S3Client, *, leaves_some: bool = False) -> Callable[[Pace], Asker]:
    """
    Return what opens the fastest asker that honours everything the client is configured with.

    :param client: boto3 S3 client.
    :param leaves_some: whether no bucket may take all connections, because the questions of others may come.
    """
    reason = why_not_crt(client)
    if reason:
        log.debug("Asking S3 through boto3: %s", reason)
        return lambda pace: BotoAsker(client, pace, leaves_some=leaves_some)
    from airflow_provider_crr.lookup.crt.asker import CrtAsker

    log.debug("Asking S3 through the AWS Common Runtime")
    return lambda pace: CrtAsker(client, pace, leaves_some=leaves_some)


def head_one(client: S3Client, obj: S3Object) -> ObjectReplication:
    """
    Ask for one object through boto3.

    :param client: boto3 S3 client.
    :param obj: what to ask for.
    :raises LookupFailed: if S3 could not be asked at all, such as without credentials.
    """
    return Refusals(client).explain(head(client, obj))


def why_not_crt(client: S3Client) -> str | None:
    """
    Return what the AWS Common Runtime cannot honour about a client, or None.

    What depends on the bucket, such as its endpoint and how its requests are signed, is seen when it is first asked.

    :param client: boto3 S3 client.
    """
    from botocore.utils import get_environ_proxies

    try:
        import awscrt.http  # noqa: F401

        from airflow_provider_crr.lookup.crt.session import forked_amid_lookup, tls_context
    except ImportError as error:
        return f"awscrt is not usable: {error}"
    if forked_amid_lookup():
        return "this process was forked during a lookup"
    config = client.meta.config
    endpoint = client.meta.endpoint_url
    proxies = get_environ_proxies(endpoint) if config.proxies is None else config.proxies
    if proxies.get(urlsplit(endpoint).scheme):
        return "a proxy is configured"
    if config.client_cert:
        return "a client certificate is configured"
    if config.signature_version != "s3v4":
        return f"requests are signed with {config.signature_version}"
    try:
        if urlsplit(endpoint).scheme == "https":
            tls_context(client)
    except Exception as error:  # boto3 reads more kinds of files, and reports what is wrong with the others
        return f"it does not take the trusted certificates: {type(error).__name__}: {error}"
    return None
