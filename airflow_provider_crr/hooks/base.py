"""What this provider's hooks share: how the boto3 client is made, and checked before anything is asked through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_provider_crr.s3.caller_errors import no_credentials
from airflow_provider_crr.s3.caller_identity import connection_of, principal_of
from airflow_provider_crr.s3.client_errors import raise_not_asked
from airflow_provider_crr.s3.endpoint import ask_without_userinfo
from airflow_provider_crr.s3.error_origin import name_connection
from airflow_provider_crr.s3.uninterruptible import waited
from airflow_provider_crr.text.legible import told

#: Seconds that each of two tries may take, where a task can do without the answer.
BRIEF = 5.0


class ConnectedHook(AwsBaseHook):
    """A hook that makes its client so. It is a base class before one of amazon's."""

    def get_client_type(self, *args: Any, **kwargs: Any) -> Any:
        """
        Return the boto3 client.

        :raises CredentialsNotFound: if the connection yields no credentials.
        :raises LookupFailed: if it cannot be made, such as when the connection's role cannot be assumed, or if it
            keeps its connections where its answers cannot be held to their questions.
        """
        from airflow_provider_crr.lookup.client_pairing import is_of_boto3, pairing_of
        from airflow_provider_crr.lookup.own_faults import raise_for_settings

        with self._connecting():
            _ = self.conn_config  # read in this thread: a triggerer cannot read connections in the one that waits
            make = partial(super().get_client_type, *args, **kwargs)
            client: Any = waited(make, "there were credentials for a client")
            if not hasattr(client, "meta"):  # an asynchronous one, which is still to be entered
                return client
            if client._get_credentials() is None and client.meta.config.signature_version is not _unsigned():
                # Raised now, so that the next try looks for credentials again.
                raise no_credentials(None, "none were found", self._connection)
        name_connection(client, self._connection)
        pairing_of(client)  # before anything is asked through it, lists and reports included
        if is_of_boto3(client):
            raise_for_settings(client)
        ask_without_userinfo(client)
        return client

    @cached_property
    def conn_config(self) -> Any:
        """
        Return the Airflow connection.

        :raises LookupFailed: if it cannot be read.
        """
        with self._connecting():
            config = super().conn_config
            _name_both_files(config)
        if self.aws_conn_id and self.aws_conn_id != self.default_conn_name and not config:
            named = repr(told(self.aws_conn_id))
            self.log.warning("the connection %s is not defined: boto3 looks for credentials by itself", named)
        return config

    @cached_property
    def _brief_client(self) -> Any:
        """The client for what a task can do without: it gives up after some seconds."""
        from botocore.config import Config

        brief = Config(connect_timeout=BRIEF, read_timeout=BRIEF, retries={"total_max_attempts": 2})
        return self.get_client_type(config=self.config.merge(brief) if self.config else brief)

    @property
    def _connection(self) -> str:
        if not self.aws_conn_id:
            return ""
        named = f"the connection {self.aws_conn_id!r}"
        return named if self.conn_config else f"{named}, which is not defined,"

    @cached_property
    def asked_by(self) -> str:
        """Who asks through this hook: its connection, and the principal if STS says it in some seconds."""
        principal = principal_of(self)
        return f"{connection_of(self)}{f', as {principal}' if principal else ''}"

    @contextmanager
    def _connecting(self) -> Iterator[None]:
        """Raise every error of connecting as one of this provider's: amazon's hooks raise errors of every kind."""
        try:
            yield
        except Exception as error:
            by = f"by the connection {self.aws_conn_id!r}" if self.aws_conn_id else "as boto3 does by itself"
            raise_not_asked(error, None, f"connect {by}")


def _name_both_files(config: Any) -> None:
    """Have botocore take a client's certificate and key from JSON: of a list it would take nothing, without a word."""
    from botocore.config import Config

    named = getattr(config.botocore_config, "client_cert", None)
    if named and not isinstance(named, str | tuple):
        if not isinstance(named, list) or len(named) != 2:
            raise ValueError(f"client_cert is {named!r}, and no file with both, nor a list of certificate and key")
        config.botocore_config = config.botocore_config.merge(Config(client_cert=tuple(named)))


def _unsigned() -> Any:
    from botocore import UNSIGNED

    return UNSIGNED
