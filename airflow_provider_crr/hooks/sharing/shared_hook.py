"""
One client, one set of connections and one pace for all gates of a process that have the same connection.

What has the same hook arguments and the same content of the Airflow connection shares one hook. It is made when it is
first needed, and released once no gate holds it and nothing was asked for some minutes. A forked process starts with
nothing of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any
from weakref import WeakValueDictionary, ref

from airflow_provider_crr.errors import CrrError
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.hooks.sharing import refused
from airflow_provider_crr.hooks.sharing.content import Content, connection_key, content_of, without_pace
from airflow_provider_crr.hooks.sharing.frozen import freeze
from airflow_provider_crr.hooks.sharing.held import held
from airflow_provider_crr.replication.pause import GoFirst
from airflow_provider_crr.replication.rules import ReadOnce, ReplicationRule
from airflow_provider_crr.replication.source import Later
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.guard import current
from airflow_provider_crr.s3.listing import ListedObject, list_pages
from airflow_provider_crr.s3.objects import S3Object

log = logging.getLogger(__name__)

#: Seconds after which a connection is read again, to see whether it was edited: for a gate that waits, and for one that
#: begins, whose user may have edited it just now.
RECHECK, RECHECK_FIRST = 60.0, 2.0


class SharedHook:
    """
    The :class:`.Source` of one gate, over what it shares with others.

    :param way: what is shared.
    :param max_requests_per_second: most HEADs that this gate sends in a second; None for no limit of its own.
    """

    def __init__(self, way: _Way, max_requests_per_second: float | None) -> None:
        self._way = way
        self._lookup = way.asker.lookup(max_requests_per_second)
        self._rules = ReadOnce(way.hook.get_replication_rules)  # for this gate, not for as long as the hook

    def get_conn(self) -> Any:
        """Return the boto3 client, which others use, too."""
        return self._way.hook.get_conn()

    @property
    def asked_by(self) -> str:
        """Who asks through this hook; STS may be asked for it, once for all gates of the connection."""
        return self._way.hook.asked_by

    @property
    def may_have_moved(self) -> bool:
        """Whether :meth:`has_moved` has something to look at, or to say; this does not wait."""
        return not self._way.connection.is_known() or self.is_outdated

    @property
    def is_outdated(self) -> bool:
        """Whether the connection was edited, as far as that was read; this does not wait."""
        return self._way.connection.differs(self._way)

    def has_moved(self) -> bool:
        """
        Return whether the connection leads elsewhere now, or with other credentials: then another hook is to be made.

        The connection is read again for that, at most once in :data:`RECHECK` seconds for all gates. One that cannot be
        read, or is gone, has not moved: it may be there again soon.
        """
        self._way.connection.look_again()
        return self.is_outdated

    def get_replication_statuses(
        self, objects: Iterable[S3Object | Later], *, stop: Event | None = None
    ) -> Iterator[ObjectReplication | Later]:
        """Yield one answer for each object, and what is to be waited for in between."""
        return self._lookup(objects, stop=stop)

    def list_matching(self, pattern: S3Object) -> Iterator[ListedObject | Later]:
        """Yield the current objects whose keys match a pattern, in key order; after each LIST others go first."""
        for page in list_pages(self.get_conn(), pattern):
            yield from page
            yield GoFirst()

    def check_bucket(self, bucket_name: str) -> None:
        """Make sure that a bucket exists."""
        self._way.hook.check_bucket(bucket_name)

    def why_no_status(self, answer: ObjectReplication) -> str:
        """Return why an object has no replication status, by rules that are read once for this gate."""
        return self._rules.why_no_status(answer)

    def get_replication_rules(self, bucket_name: str, *, brief: bool = False) -> tuple[ReplicationRule, ...]:
        """Return a bucket's replication rules."""
        return self._way.hook.get_replication_rules(bucket_name, brief=brief)

    def whereabouts(self) -> dict[str, Any]:
        """Return which endpoint is asked, and by which connection."""
        return self._way.hook.whereabouts()


def shared_hook(arguments: Mapping[str, Any]) -> SharedHook:
    """
    Return a hook that shares what it can; made in a thread that may read Airflow's connections.

    :param arguments: keyword arguments of :class:`~airflow_provider_crr.hooks.replication.S3ReplicationHook`.
    :raises LookupFailed: if no client can be made. For some seconds that is not tried again, by any gate.
    """
    way = _REGISTRY.connection(arguments).way()
    return SharedHook(way, arguments.get("max_requests_per_second"))


class _Way:
    """A hook, its client, and what asks through it: alive while a gate holds it, or something was asked just now."""

    def __init__(self, connection: _Connection, hook: S3ReplicationHook, content: Content) -> None:
        from airflow_provider_crr.lookup.shared_asker import SharedAsker

        client: Any = hook.get_conn()
        refused.renew_patiently(client._get_credentials())
        self.connection = connection
        self.hook = hook
        self.content = content
        self.asker = SharedAsker(client, keeps=ref(self))


class _Connection:
    """What is known of one connection, and the ways to S3 that were made by it: another one for each content."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = without_pace(arguments)
        self._making = Lock()
        self._reading = Lock()
        self._ways: WeakValueDictionary[Content, _Way] = WeakValueDictionary()
        self._content: Content | None = None
        self._read_at = float("-inf")
        self.refused = refused.Refused()

    def is_known(self, within: float = RECHECK) -> bool:
        """Return whether its content was read within some seconds."""
        return refused.clock() - self._read_at < within

    def differs(self, way: _Way) -> bool:
        """Return whether another way is to be made; not if there is no such connection any more."""
        now = self._content
        return now not in (None, way.content) and (now.is_defined or not way.content.is_defined)

    def way(self) -> _Way:
        """Return the way to S3 by this connection as it is now."""
        with held(self._making):
            if self.is_known(RECHECK_FIRST) and (found := self._found(self._content)):
                return found
            hook, content = self._read()
            found = self._found(content)
            if found is None:
                with self._refusal(content, refused.REFUSED_FOR):
                    found = self._ways[content] = _Way(self, hook, content)
            return found

    def _found(self, content: Content | None) -> _Way | None:
        """Return the way that was made by a content; None if another try is to be made."""
        found = self._ways.get(content) if content else None
        if found is None and content is not None:
            self.refused.check(content)
        return found

    def _read(self) -> tuple[S3ReplicationHook, Content]:
        freeze()  # before the hook, too: what is frozen in a circle is never released
        self.refused.check(None)
        with self._refusal(None, RECHECK_FIRST):
            hook = S3ReplicationHook(**self._arguments)
            content = content_of(hook.conn_config)
        self._note(content)
        return hook, content

    @contextmanager
    def _refusal(self, about: Content | None, seconds: float) -> Iterator[None]:
        """Have an error remembered: about a content, or None if the connection cannot be read."""
        try:
            yield
        except CrrError as error:
            guard = current()
            if guard is None or not guard.is_over():  # others may have more time
                self.refused.note(error, about=about, seconds=seconds)
                _REGISTRY.remember(self)
            raise

    def look_again(self) -> None:
        """Read the connection again if that was not done lately, and nobody does it just now."""
        if self.is_known() or not self._reading.acquire(blocking=False):
            return
        try:
            self._note(content_of(S3ReplicationHook(**self._arguments).conn_config))
        except CrrError as error:
            log.warning("cannot see whether a connection was edited, going on: %s", error)
            self._note(self._content)
        finally:
            self._reading.release()

    def _note(self, content: Content | None) -> None:
        self._content, self._read_at = content, refused.clock()


class _Registry:
    """The connections of this process."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = Lock()
        self._connections: WeakValueDictionary[str, _Connection] = WeakValueDictionary()
        #: Those that were refused lately, which nobody else holds.
        self._refused: list[_Connection] = []

    def connection(self, arguments: Mapping[str, Any]) -> _Connection:
        """Return the connection with these arguments."""
        key = connection_key(arguments)
        with self._lock:
            self._refused = [each for each in self._refused if each.refused.holds]
            found = self._connections.get(key)
            if found is None:
                found = self._connections[key] = _Connection(arguments)
            return found

    def remember(self, connection: _Connection) -> None:
        """Hold a connection as long as its refusal is remembered."""
        with self._lock:
            self._refused.append(connection)


_REGISTRY = _Registry()


def begin_anew() -> None:
    """Release what gates share, as if the process began now: what answered them before answers no more."""
    for way in [way for each in list(_REGISTRY._connections.values()) for way in list(each._ways.values())]:
        way.asker.close()
    _REGISTRY._renew()
