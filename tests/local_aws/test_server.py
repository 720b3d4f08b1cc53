"""The process of the local AWS, and its layer around MiniStack."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, LocalAwsError
from local_aws.buckets import ReplicatedPair, replicated_pair, suspend_versioning


def status(pair: ReplicatedPair, key: str = "key") -> str | None:
    """Return what S3 says of an object in the source."""
    answer: str | None = pair.source_client.head_object(Bucket=pair.source, Key=key).get("ReplicationStatus")
    return answer


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Ask until it is so, or the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended, and that nobody asked about, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_held_object_is_pending_then_completed(aws: LocalAws, pair: ReplicatedPair) -> None:
    """A held object says PENDING to HEAD and GET, by key and by version, and COMPLETED once released."""
    aws.hold(pair.source)
    version = pair.source_client.put_object(Bucket=pair.source, Key="key", Body=b"x")["VersionId"]
    assert status(pair) == "PENDING"
    for ask in (pair.source_client.head_object, pair.source_client.get_object):
        assert ask(Bucket=pair.source, Key="key", VersionId=version)["ReplicationStatus"] == "PENDING"
    aws.release(pair.source)
    assert status(pair) == "COMPLETED"


def test_one_key_is_released(aws: LocalAws, pair: ReplicatedPair) -> None:
    """Keys of a held bucket finish one by one, whatever characters they have."""
    aws.hold(pair.source)
    for key in ("a", "b c?/ü"):
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")
    aws.release(pair.source, "b c?/ü")
    assert (status(pair, "a"), status(pair, "b c?/ü")) == ("PENDING", "COMPLETED")


def test_replica_is_never_pending(aws: LocalAws, pair: ReplicatedPair) -> None:
    """The copy says REPLICA, held or not."""
    aws.hold()
    pair.source_client.put_object(Bucket=pair.source, Key="key", Body=b"x")
    copy = pair.destination_client.head_object(Bucket=pair.destination, Key="key")
    aws.release()
    assert copy["ReplicationStatus"] == "REPLICA"


def test_object_outside_the_rules_has_no_status(aws: LocalAws) -> None:
    """An object in a bucket without rules has no status, held or not."""
    client, name = aws.client(region="us-east-1"), f"plain-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="key", Body=b"x")
    aws.hold(name)
    assert "ReplicationStatus" not in client.head_object(Bucket=name, Key="key")
    aws.release(name)


def test_denied_destination_fails(denied_pair: ReplicatedPair) -> None:
    """A destination that refuses the replication role makes FAILED, which stays after it gives in."""
    client, bucket = denied_pair.source_client, denied_pair.source
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert status(denied_pair) == "FAILED"
    denied_pair.allow()
    assert status(denied_pair) == "FAILED"
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert status(denied_pair) == "COMPLETED"
    denied_pair.deny()
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert status(denied_pair) == "FAILED"


def test_another_account_is_forbidden(aws: LocalAws, pair: ReplicatedPair) -> None:
    """A HEAD by an account that does not own the bucket is answered with 403."""
    pair.source_client.put_object(Bucket=pair.source, Key="key", Body=b"x")
    with pytest.raises(ClientError, match="403"):
        aws.client(account_id="333333333333").head_object(Bucket=pair.source, Key="key")


def test_keys_are_checked_with_auth() -> None:
    """With ``auth``, a key that nobody issued is forbidden; the account itself may do everything."""
    with LocalAws(auth=True) as local:
        pair = replicated_pair(local)
        pair.source_client.put_object(Bucket=pair.source, Key="key", Body=b"x")
        assert status(pair) == "COMPLETED"
        with pytest.raises(ClientError, match="403"):
            local.client(account_id="AKIAIOSFODNN7EXAMPLE").head_object(Bucket=pair.source, Key="key")


def test_suspended_destination_fails(pair: ReplicatedPair) -> None:
    """A destination whose versioning is suspended makes FAILED."""
    suspend_versioning(pair.destination_client, pair.destination)
    pair.source_client.put_object(Bucket=pair.source, Key="key", Body=b"x")
    assert status(pair) == "FAILED"


def test_age_ends_pending(pair: ReplicatedPair, aws: LocalAws) -> None:
    """With a number of seconds, an object is PENDING first and COMPLETED without anybody's word."""
    pair.source_client.put_object(Bucket=pair.source, Key="key", Body=b"x")
    try:
        aws.set_pending_seconds(3600)
        assert status(pair) == "PENDING"
        aws.set_pending_seconds(1)
        wait_until(lambda: status(pair) == "COMPLETED")
    finally:
        aws.set_pending_seconds(0)


def test_requests_are_counted(aws: LocalAws, pair: ReplicatedPair) -> None:
    """HEADs are counted one by one, by bucket and prefix, and not mixed with those about buckets."""
    for key in ("a/1", "a/2", "b/1"):
        pair.source_client.put_object(Bucket=pair.source, Key=key, Body=b"x")
        status(pair, key)
    status(pair, "a/1")
    pair.source_client.head_bucket(Bucket=pair.source)
    with pytest.raises(ClientError):
        status(pair, "missing")
    assert aws.heads(pair.source) == 5
    assert aws.heads(pair.source, "a/") == 3
    assert aws.heads(pair.source, "a/1") == 2
    assert aws.requests(pair.source)["HEAD_BUCKET"] == 1
    assert aws.requests(pair.source, "a/")["PUT"] == 2
    aws.reset_counts()
    assert aws.requests() == {}


def test_unknown_control_is_an_error(aws: LocalAws) -> None:
    """A word that the layer does not know is refused, naming it."""
    with pytest.raises(LocalAwsError, match="no such action"):
        aws._say("explode")


def test_clients_ignore_the_environment(
    aws: LocalAws, pair: ReplicatedPair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile, an endpoint and a proxy of whoever runs the tests do not reach the client."""
    broken = tmp_path / "config"
    broken.write_text("not an ini file")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(broken))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "nonsense")
    for name in ("HTTP_PROXY", "http_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert aws.client().get_bucket_versioning(Bucket=pair.source)["Status"] == "Enabled"


def test_airflow_connection(aws: LocalAws) -> None:
    """The connection is an ``aws`` one, whose extra has the endpoint and the region."""
    connection = json.loads(aws.airflow_connection_uri_json())
    assert connection["conn_type"] == "aws"
    assert connection["extra"] == {"endpoint_url": aws.endpoint_url, "region_name": aws.region}


def test_listens_on_loopback_only(aws: LocalAws) -> None:
    """The process has one listening socket, on 127.0.0.1, and it is the one that was handed back."""
    process = Path(f"/proc/{aws.pid}")
    sockets = {os.readlink(entry) for entry in (process / "fd").iterdir() if entry.is_symlink()}
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for line in (process / "net" / table).read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and f"socket:[{fields[9]}]" in sockets
    ]
    assert listening == [f"0100007F:{int(aws.endpoint_url.rpartition(':')[2]):04X}"]


def test_failed_start_says_why() -> None:
    """When the process ends before it listens, the error has what it wrote to standard error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        local = LocalAws(port=taken.getsockname()[1])
        with pytest.raises(LocalAwsError, match="Address already in use"):
            local.start()


def test_ends_with_its_block() -> None:
    """Nothing is left when the block is left."""
    with LocalAws() as local:
        pid = local.pid
        assert is_alive(pid)
    assert not is_alive(pid)
    with pytest.raises(LocalAwsError, match="not running"):
        _ = local.pid


def test_ends_with_its_parent() -> None:
    """A parent that is killed takes it along, even while a process that the parent forked lives on."""
    script = (
        "import os, time\n"
        "from local_aws import LocalAws\n"
        "local = LocalAws()\n"
        "local.start()\n"
        "forked = os.fork()\n"
        "if forked: print(local.pid, forked, flush=True)\n"
        "time.sleep(600)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=root) as parent:
        assert parent.stdout is not None
        served_by, forked = map(int, parent.stdout.readline().split())
        try:
            assert is_alive(served_by)
            parent.kill()
            wait_until(lambda: not is_alive(served_by))
        finally:
            os.kill(forked, signal.SIGKILL)
