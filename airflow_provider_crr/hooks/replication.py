"""The hook: replication status of one object or many, and the bucket's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import cached_property
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.hooks import base
from airflow_provider_crr.replication import rules
from airflow_provider_crr.replication.configuration import read_configuration
from airflow_provider_crr.replication.status import ObjectReplication
from airflow_provider_crr.s3.client_errors import is_of_others, no_such_bucket, raise_not_asked, translated
from airflow_provider_crr.s3.deadline import Deadline, until
from airflow_provider_crr.s3.endpoint import without_userinfo
from airflow_provider_crr.s3.listing import ListedObject, list_matching, list_versions
from airflow_provider_crr.s3.objects import S3Object, account_id
from airflow_provider_crr.text.legible import told

if TYPE_CHECKING:
    from airflow_provider_crr.lookup.choice import HeadLookup

# What asks S3 is imported when it asks: a DAG file that is parsed does not.

#: How many answers are handed at a time from the lookup's thread to an event loop.
_ASYNC_CHUNK = 100


class S3ReplicationHook(base.ConnectedHook, S3Hook):
    """
    Ask S3 whether objects are replicated.

    Every other argument is that of amazon's ``S3Hook``, ``requester_pays`` among them.

    :param expected_bucket_owner: account id that must own the buckets; S3 answers 403 if another does.
    :param max_requests_per_second: most HEAD requests that a bulk lookup sends in a second; None for no limit.
    :raises InvalidArgument: if ``max_requests_per_second`` is not above 0, or ``expected_bucket_owner`` no account id.
    """

    def __init__(
        self,
        *args: Any,
        expected_bucket_owner: str | None = None,
        max_requests_per_second: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if max_requests_per_second is not None and not max_requests_per_second > 0:
            raise InvalidArgument(
                f"max_requests_per_second is {max_requests_per_second!r}",
                remedy="Give a number above 0, or None for no limit",
            )
        self.expected_bucket_owner = None if expected_bucket_owner is None else account_id(expected_bucket_owner)
        self.max_requests_per_second = max_requests_per_second
        self._rules = rules.ReadOnce(self.get_replication_rules)

    def get_client_type(self, *args: Any, **kwargs: Any) -> Any:
        """
        Return the boto3 client, which adds bucket owner and payer to every request that knows them.

        :raises CredentialsNotFound: if the connection yields no credentials.
        :raises LookupFailed: if it cannot be made, such as when the connection's role cannot be assumed, or if it
            keeps its connections where its answers cannot be held to their questions.
        """
        client = super().get_client_type(*args, **kwargs)
        added = {
            **({"ExpectedBucketOwner": self.expected_bucket_owner} if self.expected_bucket_owner else {}),
            **({"RequestPayer": "requester"} if self._requester_pays else {}),
        }

        def add(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
            return {**{name: added[name] for name in added if name in model.input_shape.members}, **params}

        if added and hasattr(client, "meta"):  # an asynchronous one has none before it is entered
            client.meta.events.register("provide-client-params.s3", add)
        return client

    def get_replication_status(
        self, key: str, bucket_name: str | None = None, version_id: str | None = None
    ) -> ObjectReplication:
        """
        Return what S3 says about one object, or one version of it, now.

        :param key: key, or S3 URI.
        :param bucket_name: bucket of the key; leave it out for an S3 URI.
        :param version_id: version to ask for; without it, whatever is current.
        :return: the answer; a missing, deleted or forbidden object is an answer too, not an error.
        :raises InvalidArgument: if this does not name an object.
        :raises CredentialsNotFound: if the connection yields no credentials.
        """
        from airflow_provider_crr.lookup.choice import head_one

        obj = S3Object.parse(key, bucket_name)
        return head_one(self.get_conn(), obj if version_id is None else obj.in_version(version_id))

    def get_replication_statuses(
        self,
        objects: Iterable[S3Object | str | dict[str, str]],
        bucket_name: str | None = None,
        *,
        stop: Event | None = None,
    ) -> Iterator[ObjectReplication]:
        """
        Yield what S3 says about many objects, one answer each, in any order, as the answers come.

        :param objects: objects, S3 URIs, keys or mappings; read as needed, so that a generator of millions is fine.
        :param bucket_name: bucket of the keys that name none.
        :param stop: set it from another thread to end the lookup early.
        :raises InvalidArgument: for an element that does not name an object.
        :raises CredentialsNotFound: if the connection yields no credentials.
        :raises LookupFailed: if ``stop`` was set: what was not answered stays unknown.
        """
        return self._lookup((S3Object.parse(obj, bucket_name) for obj in objects), stop=stop)

    async def aget_replication_statuses(
        self, objects: Iterable[S3Object | str | dict[str, str]], bucket_name: str | None = None
    ) -> AsyncIterator[ObjectReplication]:
        """Yield the same as :meth:`get_replication_statuses`, without blocking the event loop."""
        from asgiref.sync import sync_to_async

        stop = Event()
        answers: list[Iterator[ObjectReplication]] = []

        @sync_to_async(thread_sensitive=False)
        def chunk() -> list[ObjectReplication]:
            if not answers:  # made in this thread, because making the client takes a while
                answers.append(self.get_replication_statuses(objects, bucket_name, stop=stop))
            return list(islice(answers[0], _ASYNC_CHUNK))

        try:
            while found := await chunk():
                for answer in found:
                    yield answer
        finally:
            stop.set()

    def get_replication_rules(self, bucket_name: str, *, brief: bool = False) -> tuple[rules.ReplicationRule, ...]:
        """
        Return a bucket's replication rules; none if it has no replication configuration.

        :param bucket_name: the bucket.
        :param brief: whether to give up after some seconds; for tasks that can do without the rules.
        :raises BucketNotFound: if there is no such bucket.
        :raises LookupFailed: if the rules cannot be read, usually as s3:GetReplicationConfiguration is missing.
        """
        enough = Deadline(2 * base.BRIEF) if brief else None
        uri, permission = f"s3://{bucket_name}", "s3:GetReplicationConfiguration"
        with until(enough), translated(uri, "read the replication rules", permission=permission):
            client = self._brief_client if brief else self.get_conn()
            return tuple(each.rule for each in read_configuration(client, bucket_name).rules)

    def list_matching(self, pattern: S3Object) -> Iterator[ListedObject]:
        """
        Yield the current objects whose keys match a pattern, in key order.

        :param pattern: the bucket, and a Unix shell-style pattern as its key.
        :raises LookupFailed: if the bucket cannot be listed.
        """
        return list_matching(self.get_conn(), pattern)

    def list_versions(self, pattern: S3Object, *, exact: bool) -> Iterator[S3Object]:
        """
        Yield every version of the objects that match, without delete markers.

        :param pattern: the bucket, and a key or a pattern as its key.
        :param exact: whether the key is a key rather than a pattern.
        :raises LookupFailed: if the versions cannot be listed.
        """
        return (listed.object for listed in list_versions(self.get_conn(), pattern, exact=exact))

    def check_bucket(self, bucket_name: str) -> None:
        """
        Make sure that a bucket exists: the HEAD of an object cannot tell a missing bucket from a missing object.

        :param bucket_name: the bucket.
        :raises BucketNotFound: if S3 says that there is none. Any other answer of S3 proves nothing and raises nothing.
        :raises LookupFailed: if somebody else refused, such as STS or a proxy.
        """
        from botocore.exceptions import ClientError

        from airflow_provider_crr.lookup.head_answers import is_of_s3

        client: Any = self.get_conn()
        try:
            client.head_bucket(Bucket=bucket_name)
        except Exception as error:
            if is_of_others(error, "HeadBucket"):
                raise_not_asked(error, f"s3://{bucket_name}", "look for the bucket")
            answer: Any = error.response["ResponseMetadata"] if isinstance(error, ClientError) else {}
            if answer.get("HTTPStatusCode") == 404 and is_of_s3(answer["HTTPHeaders"]):
                raise no_such_bucket(f"s3://{bucket_name}") from error
            self.log.debug("cannot check bucket %s: %s", bucket_name, told(error))

    def why_no_status(self, answer: ObjectReplication) -> str:
        """
        Return why S3 has no replication status for an object, from the bucket's rules.

        :param answer: an answer in state NONE.
        """
        return self._rules.why_no_status(answer)

    def whereabouts(self) -> dict[str, Any]:
        """Return which endpoint this hook asks, and by which connection, as plain JSON without secrets."""
        client: Any = self.get_conn()
        return {
            "aws_conn_id": self.aws_conn_id,
            "endpoint_url": without_userinfo(client.meta.endpoint_url),
            "region_name": client.meta.region_name,
            "expected_bucket_owner": self.expected_bucket_owner,
        }

    @cached_property
    def _lookup(self) -> HeadLookup:
        from airflow_provider_crr.lookup.choice import choose_lookup

        return choose_lookup(self.get_conn(), max_requests_per_second=self.max_requests_per_second)
