"""What did not answer the very request about an object is no answer about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import botocore.exceptions as boto
import pytest
import requests
import tenacity

from airflow_provider_crr.errors import CredentialsNotFound, InvalidArgument, LookupFailed
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.inventory.output import write
from airflow_provider_crr.lookup import choice
from airflow_provider_crr.s3.client_errors import raise_not_asked
from tests.lookup.conftest import BOTO3
from tests.support.causes import is_circular
from tests.support.credential_sources import REFUSALS, Connect, Source, Sts
from tests.support.s3_server import S3Server


def attempt_that(failed: Exception) -> tenacity.Future:
    """Return an attempt of tenacity's that has failed."""
    attempt = tenacity.Future(1)
    attempt.set_exception(failed)
    return attempt


#: Errors as their libraries make them: what ours says, and whether it passes.
OTHERS: dict[Exception, tuple[str, bool]] = {
    boto.NoCredentialsError(): ("no AWS credentials", False),
    boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"): ("no AWS credentials", False),
    boto.NoAuthTokenError(): ("the source of the credentials gave no credentials", False),
    boto.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"): ("AWS SSO", True),
    boto.SSOTokenLoadError(error_msg="Token for x does not exist"): ("AWS SSO", False),
    boto.UnauthorizedSSOTokenError(): ("AWS SSO", True),
    boto.MetadataRetrievalError(error_msg="IMDSv1 has been disabled"): ("IMDS", False),
    boto.InvalidIMDSEndpointError(endpoint="x"): ("IMDS", False),
    boto.CredentialRetrievalError(provider="container-role", error_msg="non 200 response 503 "): (
        "container",
        True,
    ),
    boto.ProfileNotFound(profile="nobody"): ("nobody", False),
    boto.RefreshWithMFAUnsupportedError(): ("MFA", False),
    boto.InvalidProxiesConfigError(): ("proxies_config", False),
    boto.CapacityNotAvailableError(): ("capacity", True),
    boto.EndpointConnectionError(endpoint_url="https://s3"): ("https://s3", True),
    boto.ProxyConnectionError(proxy_url="http://p", error="Tunnel connection failed: 502 Bad"): ("502 Bad", True),
    boto.ProxyConnectionError(proxy_url="http://p", error="Tunnel connection failed: 407 Auth"): ("HTTP 407", False),
    boto.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRoot"): ("sts:AssumeRoot", False),
    boto.ClientError({"Error": {"Code": "429"}}, "GetRoleCredentials"): ("AWS SSO answered HTTP", True),
    boto.ClientError({"Error": {"Code": "Oops", "Message": "no"}}, "MadeUp"): ("answered Oops to MadeUp", False),
    requests.ConnectionError("no route to the provider"): ("no route", True),
    requests.HTTPError("no", response=SimpleNamespace(status_code=503)): ("HTTPError", True),
    requests.HTTPError("no", response=SimpleNamespace(status_code=401)): ("HTTPError", False),
    RuntimeError("sts_response_http_status=302"): ("RuntimeError: sts_response_http_status=302", False),
    tenacity.RetryError(attempt_that(boto.ProfileNotFound(profile="nobody"))): ("nobody", False),
}

ONE, MANY = ["s3://b/k"], ["s3://b/k", "s3://b/l"]
WAYS = {"one": ONE, "many by crt": MANY, "many by boto3": MANY}


@pytest.fixture
def connect(server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Connect]:
    """Start a source of credentials, and let aws_default lead to it."""
    opened: list[Source] = []

    def start(kind: type[Source]) -> Source:
        opened.append(kind(server, monkeypatch, tmp_path))
        return opened[0].__enter__()

    yield start
    for source in opened:
        source.__exit__()


@pytest.fixture(params=WAYS)
def objects(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What to ask for: one object, or many by either client."""
    if "boto3" in request.param:
        monkeypatch.setattr(choice, "why_not_crt", lambda client: BOTO3)
    return WAYS[request.param]


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize(("kind", "refusal", "passing"), REFUSALS)
def test_refusal_when_credentials_are_renewed(
    connect: Connect, server: S3Server, objects: list[str], kind: type[Source], refusal: str, passing: bool
) -> None:
    """Whoever refuses to renew credentials is named, with the connection; S3 is not asked, and nothing is concluded."""
    source = connect(kind)
    hook = S3ReplicationHook()
    assert {found.state for found in hook.get_replication_statuses(objects)} == {"COMPLETED"}
    source.refuse(refusal)
    source.age(hook.get_conn())
    asked = len(server.requests)
    hook = hook_of_the_same_client(hook)
    with pytest.raises(LookupFailed) as raised:
        list(hook.get_replication_statuses(objects))
    assert source.who in str(raised.value)
    assert "the connection 'aws_default'" in str(raised.value)
    assert raised.value.remedy
    assert raised.value.__cause__ is not None
    assert raised.value.passing is passing
    assert len(server.requests) == asked
    source.refuse("")
    assert {found.state for found in hook.get_replication_statuses(objects)} == {"COMPLETED"}


def hook_of_the_same_client(hook: S3ReplicationHook) -> S3ReplicationHook:
    """Return a hook with the client of another, whose lookups keep no signature of a second ago."""
    other = S3ReplicationHook()
    other.__dict__["conn"] = hook.get_conn()
    return other


@pytest.mark.parametrize(("kind", "refusal", "passing"), REFUSALS)
def test_refusal_when_credentials_are_first_asked_for(
    connect: Connect, server: S3Server, kind: type[Source], refusal: str, passing: bool
) -> None:
    """Whoever refuses the first credentials is named; once it gives some, the same hook goes on."""
    source = connect(kind)
    source.refuse(refusal)
    hook = S3ReplicationHook()
    for objects in (ONE, MANY):
        with pytest.raises(LookupFailed) as raised:
            list(hook.get_replication_statuses(objects))
        assert "the connection 'aws_default'" in str(raised.value)
        if source.who.endswith("(IMDS)"):  # botocore cannot tell one that is silent from none at all
            assert isinstance(raised.value, CredentialsNotFound)
            assert not raised.value.passing
        else:
            assert source.who in str(raised.value)
            assert raised.value.passing is passing
    assert server.requests == []
    source.refuse("")
    assert {found.state for found in hook.get_replication_statuses(MANY)} == {"COMPLETED"}


@pytest.mark.usefixtures("crt")
@pytest.mark.parametrize("objects", [f"many by {way}" for way in ("crt", "boto3")], indirect=True)
def test_refusal_amid_a_lookup(connect: Connect, server: S3Server, objects: list[str]) -> None:
    """A renewal that is refused while many are asked ends the lookup with that error; what was answered stays."""
    source = connect(Sts)
    found = []

    def lookup() -> None:
        hook = S3ReplicationHook(max_requests_per_second=2)
        for answer in hook.get_replication_statuses(f"s3://b/{number}" for number in range(12)):
            found.append(answer)
            source.refuse("throttled")

    with pytest.raises(LookupFailed, match="STS answered Throttling to AssumeRole") as raised:
        lookup()
    assert raised.value.passing
    assert {answer.state for answer in found} == {"COMPLETED"}
    assert 0 < len(found) < 12


def test_errors_that_come_through_no_socket() -> None:
    """Whatever boto3, and what amazon's hooks use, raise for credentials says who refused, and whether it lasts."""
    for raised, (says, passing) in OTHERS.items():
        with pytest.raises(LookupFailed) as caught:
            raise_not_asked(raised, "s3://b/k", "look up")
        assert says in str(caught.value)
        assert caught.value.passing is passing, raised
        assert caught.value.__cause__ is raised
        assert not raised.args or caught.value.remedy


def test_a_wrong_argument_is_no_refusal() -> None:
    """What botocore can make no request of is the author's to mend."""
    with pytest.raises(InvalidArgument):
        raise_not_asked(boto.ParamValidationError(report="Invalid bucket name"), None, "look up")


def test_a_region_that_is_none_is_mended_in_the_task_or_the_connection() -> None:
    """No network is to be looked at if botocore takes the name for no Region."""
    with pytest.raises(LookupFailed, match="doesn't match a supported format") as caught:
        raise_not_asked(boto.InvalidRegionError(region_name="europe west"), None, "look up")
    assert "region_name of the task or of the connection" in str(caught.value)


def _raise_wrapped(ours: LookupFailed, wrap: Callable[[LookupFailed], Exception]) -> None:
    try:
        raise ours
    except LookupFailed as error:
        try:
            raise wrap(error)
        except Exception as wrapped:
            raise_not_asked(wrapped, "s3://b/k", "look up")


def test_an_error_of_ours_keeps_its_own_cause() -> None:
    """An error of ours that boto3 wraps, or that is raised again, does not become its own cause."""
    for wrap in (
        lambda ours: ours,
        lambda ours: boto.HTTPClientError(error=ours),
        lambda ours: tenacity.RetryError(attempt_that(ours)),
    ):
        ours = LookupFailed("the answer cannot be read")
        ours.__cause__ = OSError("first")
        with pytest.raises(LookupFailed) as caught:
            _raise_wrapped(ours, wrap)
        assert caught.value is ours
        assert str(ours.__cause__) == "first"
        assert not is_circular(ours)


def test_an_upload_that_sts_refuses_advises_no_permission_of_s3(
    connect: Connect, server: S3Server, tmp_path: Path
) -> None:
    """boto3 wraps what refuses an upload; the error names STS, not s3:PutObject, which only S3's AccessDenied does."""
    source = connect(Sts)
    client = S3ReplicationHook().get_conn()
    source.refuse("denied")
    report = tmp_path / "report.json"
    report.write_text("{}")
    with pytest.raises(LookupFailed, match="STS answered AccessDenied to AssumeRole") as raised:
        write(client, "s3://b/report.json", report, "application/json")
    assert "PutObject" not in str(raised.value)
