"""
Scripted sources of boto3's credentials: STS, SSO, a container's endpoint, the instance metadata, a process.

Their credentials are valid for five minutes. botocore renews such credentials at every request, so each request asks
the source again.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from tests.support.http_server import Asked, HttpServer, Said
from tests.support.s3_server import REGION, S3Server

ROLE = "arn:aws:iam::111122223333:role/reader"
TOKEN = "session-token"
NO_RETRIES = {"retries": {"total_max_attempts": 1}}


def _expires() -> str:
    return (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Source:
    """
    One source, as a context manager, and the Airflow connection ``aws_default`` that uses it.

    :param s3: the S3 that accepts its credentials.
    :param monkeypatch: for the environment.
    :param directory: for files.
    """

    #: Its name in error messages.
    who = ""
    #: Refusals, each with whether it passes by itself.
    refusals: ClassVar[dict[str, bool]] = {}

    def __init__(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        s3.token = TOKEN
        self.s3 = s3
        self.key, self.secret = next(iter(s3.secrets.items()))
        self.refusal = ""
        #: Refusals from the first request on: the last one repeats; empty for what :meth:`refuse` says.
        self.script: list[str] = []
        self.directory = directory
        self.server = HttpServer(self._play)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        self._environment(monkeypatch)
        extra = {"region_name": REGION, "endpoint_url": s3.endpoint_url, "config_kwargs": NO_RETRIES, **self._extra()}
        connection = {"conn_type": "aws", **self._keys(), "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    def refuse(self, refusal: str) -> None:
        """Refuse from now on; with ``""`` give credentials."""
        self.refusal = refusal

    def age(self, client: Any) -> None:
        """Make the credentials of a client nearly expired, so that they are renewed at the next request."""

    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the environment by which boto3 finds the source."""

    def _extra(self) -> dict[str, Any]:
        return {}

    def _keys(self) -> dict[str, str]:
        return {}

    def _play(self, asked: Asked) -> Said:
        if self.script:
            self.refusal = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return self._answer(asked)

    def _answer(self, asked: Asked) -> Said:
        raise NotImplementedError

    def _given(self, *, token: str = "Token", **more: str) -> str:
        given = {"AccessKeyId": self.key, "SecretAccessKey": self.secret, token: TOKEN, "Expiration": _expires()}
        return json.dumps({**given, **more})


class Sts(Source):
    """A role that the connection assumes by keys of its own."""

    who = "STS"
    #: HTTP status, code, message.
    said: ClassVar[dict[str, tuple[int, str, str]]] = {
        "throttled": (400, "Throttling", "Rate exceeded"),
        "expired": (403, "ExpiredToken", "The security token included in the request is expired"),
        "clock": (403, "SignatureDoesNotMatch", "Signature expired: 20261005T200000Z is now earlier than ..."),
        "unavailable": (503, "ServiceUnavailable", "Please wait"),
        "denied": (403, "AccessDenied", "not authorized to perform: sts:AssumeRole"),
        "region": (403, "RegionDisabledException", "STS is not activated in this region"),
        "invalid": (400, "ValidationError", "1 validation error detected: Value 'x' at 'roleArn'"),
        "key": (403, "InvalidClientTokenId", "The security token included in the request is invalid."),
        "signature": (403, "SignatureDoesNotMatch", "The request signature we calculated does not match"),
    }
    refusals: ClassVar[dict[str, bool]] = {
        **dict.fromkeys(("throttled", "expired", "clock", "unavailable", "cut", "page"), True),
        **dict.fromkeys(("denied", "region", "invalid", "key", "signature"), False),
    }
    operation = "AssumeRole"

    def _extra(self) -> dict[str, Any]:
        return {"role_arn": ROLE, "service_config": {"sts": {"endpoint_url": self.server.url}}}

    def _keys(self) -> dict[str, str]:
        return {"login": "AKIDOFTHECALLER", "password": "secret"}

    def _answer(self, asked: Asked) -> Said:
        if self.refusal == "cut":
            return Said(cut=True)
        if self.refusal == "page":
            return Said(502, "<html>bad gateway</html>")
        if self.refusal:
            status, code, message = self.said[self.refusal]
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            return Said(status, f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>")
        given = (
            f"<AccessKeyId>{self.key}</AccessKeyId><SecretAccessKey>{self.secret}</SecretAccessKey>"
            f"<SessionToken>{TOKEN}</SessionToken><Expiration>{_expires()}</Expiration>"
        )
        name = self.operation
        return Said(
            200, f"<{name}Response><{name}Result><Credentials>{given}</Credentials></{name}Result></{name}Response>"
        )


class WebIdentity(Sts):
    """A role that the connection assumes by a token in a file, as in EKS."""

    said: ClassVar[dict[str, tuple[int, str, str]]] = {
        "provider": (400, "IDPCommunicationError", "Identity provider did not answer"),
        "old": (400, "ExpiredTokenException", "Token expired: current date/time 1 must be before the expiration"),
        "identity": (400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account"),
        "rejected": (403, "IDPRejectedClaim", "The identity provider rejected the claim"),
    }
    refusals: ClassVar[dict[str, bool]] = {"provider": True, "old": True, "identity": False, "rejected": False}
    operation = "AssumeRoleWithWebIdentity"

    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super()._environment(monkeypatch)
        # amazon 9.12 does not take the connection's endpoint of STS here.
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", self.server.url)

    def _extra(self) -> dict[str, Any]:
        token = self.directory / "token"
        token.write_text("a token")
        return {
            **super()._extra(),
            "assume_role_method": "assume_role_with_web_identity",
            "assume_role_with_web_identity_federation": "file",
            "assume_role_with_web_identity_token_file": str(token),
        }

    def _keys(self) -> dict[str, str]:
        return {}


class Container(Source):
    """The endpoint that ECS and EKS Pod Identity give a container."""

    who = "the container credential endpoint"
    refusals: ClassVar[dict[str, bool]] = {"500": True, "429": True, "no json": True, "400": False, "403": False}

    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{self.server.url}/credentials")
        monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0.01)

    def _answer(self, asked: Asked) -> Said:
        if self.refusal == "no json":
            return Said(200, "soon")
        return Said(int(self.refusal), "no") if self.refusal else Said(200, self._given())


class Imds(Source):
    """The metadata service of an EC2 instance. If it is silent at first, boto3 takes it for missing."""

    who = "the instance metadata service (IMDS)"
    refusals: ClassVar[dict[str, bool]] = {"500": True, "404": True}

    def age(self, client: Any) -> None:
        """Let time pass for a client. The service cannot give less: botocore extends what ends within 15 minutes."""
        client._get_credentials()._expiry_time = datetime.now(UTC) + timedelta(minutes=5)

    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.server.url)

    def _answer(self, asked: Asked) -> Said:
        if self.refusal:
            return Said(int(self.refusal))
        if asked.method == "PUT":
            return Said(200, "token")
        return Said(200, "role" if asked.target.endswith("/") else self._given(Code="Success"))


class Process(Source):
    """A credential process of a profile."""

    who = "the credential process"
    refusals: ClassVar[dict[str, bool]] = {"exit": False, "garbled": False, "incomplete": False}

    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._says = self.directory / "process.json"
        program = (
            f"import sys; said = open({str(self._says)!r}).read(); said or sys.exit('the vault is sealed'); print(said)"
        )
        config = self.directory / "config"
        command = f"{sys.executable} -c {shlex.quote(program)}"
        config.write_text(f"[profile vault]\ncredential_process = {command}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        self.refuse("")

    def refuse(self, refusal: str) -> None:
        """Refuse from now on; with ``""`` give credentials."""
        given = self._given(token="SessionToken", Version="1").replace('"1"', "1")
        said = {"": given, "exit": "", "garbled": "password:", "incomplete": '{"Version": 1}'}
        self._says.write_text(said[refusal])

    def _extra(self) -> dict[str, Any]:
        return {"profile_name": "vault"}


class Sso(Source):
    """A profile of IAM Identity Center whose access token is in the cache."""

    who = "AWS SSO"
    refusals: ClassVar[dict[str, bool]] = {"throttled": True, "logged out": True, "forbidden": False, "gone": False}
    _said: ClassVar[dict[str, tuple[int, str]]] = {
        "throttled": (429, "TooManyRequestsException"),
        "logged out": (401, "UnauthorizedException"),
        "forbidden": (403, "ForbiddenException"),
        "gone": (404, "ResourceNotFoundException"),
    }

    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start = "https://example.awsapps.com/start"
        config = self.directory / "config"
        config.write_text(
            f"[profile sso]\nsso_start_url = {start}\nsso_region = {REGION}\n"
            "sso_account_id = 111122223333\nsso_role_name = reader\n"
        )
        token = {"accessToken": "a token", "expiresAt": "2099-01-01T00:00:00Z", "startUrl": start, "region": REGION}
        (self.directory / f"{sha1(start.encode()).hexdigest()}.json").write_text(json.dumps(token))
        monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(self.directory))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", self.server.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def _extra(self) -> dict[str, Any]:
        return {"profile_name": "sso"}

    def _answer(self, asked: Asked) -> Said:
        if self.refusal:
            status, code = self._said[self.refusal]
            return Said(status, json.dumps({"message": "no"}), {"x-amzn-ErrorType": code})
        expires = int((datetime.now(UTC) + timedelta(minutes=5)).timestamp() * 1000)
        given = {"accessKeyId": self.key, "secretAccessKey": self.secret, "sessionToken": TOKEN, "expiration": expires}
        return Said(200, json.dumps({"roleCredentials": given}))


SOURCES: tuple[type[Source], ...] = (Sts, WebIdentity, Container, Imds, Process, Sso)
#: Every refusal of every source, as parameters of a test: source, refusal, whether it passes.
REFUSALS = [
    pytest.param(source, refusal, passing, id=f"{source.__name__}-{refusal}")
    for source in SOURCES
    for refusal, passing in source.refusals.items()
]


#: Starts a source of this kind, and lets ``aws_default`` lead to it: what the fixture ``connect`` is.
Connect = Callable[[type[Source]], Source]
