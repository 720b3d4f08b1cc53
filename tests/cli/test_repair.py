"""``airflow crr repair``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_provider_crr.cli import repair
from local_aws.batch.orders import BatchOrders
from tests.cli.conftest import Ended
from tests.support.polling import until
from tests.support.repairs import ROLE, Broken, Run, run

Crr = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks often."""
    monkeypatch.setattr(repair, "POLL_INTERVAL", 0.05)


def options(broken: Broken) -> tuple[str, ...]:
    return ("--role-arn", ROLE, "--completion-report-uri", f"s3://{broken.reports}/repair/")


def test_bucket_is_repaired_in_two_steps(crr: Crr, broken: Broken) -> None:
    """Without --wait the job waits to be confirmed; the id on standard output is what --confirm takes."""
    broken.put("orders/a", "other/b")
    broken.pair.allow()
    created = crr("repair", f"s3://{broken.bucket}/orders/", *options(broken))
    (job,) = broken.jobs()
    assert (created.code, created.out) == (0, f"{job['JobId']}\n")
    assert f"airflow crr repair --confirm {job['JobId']}" in created.err
    assert "$1.00 a million objects" in created.err
    until(lambda: broken.jobs()[0]["Status"] == "Suspended", "the job is Suspended")
    confirmed = crr("repair", "--confirm", job["JobId"], "--wait")
    assert confirmed.code == 0
    assert "1 objects, is confirmed" in confirmed.err
    assert "all 1 are replicated" in confirmed.out
    assert (broken.status("orders/a"), broken.status("other/b")) == ("COMPLETED", "FAILED")


def test_bucket_is_repaired_and_waited_for(crr: Crr, broken: Broken) -> None:
    """With --wait all is done, and the value is what the operator pushes to XCom."""
    broken.put("a")
    broken.pair.allow()
    run = crr("repair", f"s3://{broken.bucket}", *options(broken), "--wait", "--json", "--max-objects", "1")
    value = json.loads(run.out)
    assert run.code == 0
    assert (value["total"], value["verified"]) == (1, {"COMPLETED": 1})


def test_manifest_is_repaired(crr: Crr, broken: Broken) -> None:
    """A manifest is counted before the job is created, so that it needs no confirmation."""
    (uri,) = broken.put("a")
    broken.pair.allow()
    manifest = broken.manifest(f"{broken.bucket},a,{uri.partition('=')[2]}\n")
    run = crr("repair", "--manifest", manifest, *options(broken), "--wait")
    assert run.code == 0
    assert "1 objects cost about $0.25" in run.err
    assert broken.status("a") == "COMPLETED"


def test_tasks_that_fail_are_told(crr: Crr, broken: Broken) -> None:
    """The exit code is 4, and standard output says what failed and what to do."""
    broken.put("a")
    run = crr("repair", f"s3://{broken.bucket}", *options(broken), "--wait")
    assert run.code == 4
    assert "1 DstPutObjectNotPermitted" in run.out
    assert "Allow s3:ReplicateObject" in run.out


def test_too_many_are_not_replicated(crr: Crr, broken: Broken) -> None:
    """The job is cancelled."""
    broken.put("a", "b")
    run = crr("repair", f"s3://{broken.bucket}", *options(broken), "--wait", "--max-objects", "1")
    assert run.code == 4
    assert "there are 2 objects, and max_objects is 1" in run.out


def test_dry_run(crr: Crr, broken: Broken) -> None:
    """No job is created."""
    broken.put("a")
    run = crr("repair", f"s3://{broken.bucket}", *options(broken), "--dry-run", "--status", "failed,none")
    assert run.code == 0
    assert f"dry run: a job would replicate what is FAILED or NONE in s3://{broken.bucket}/" in run.out
    assert broken.jobs() == []


def test_each_call_asks_for_a_job_of_its_own(crr: Crr, broken: Broken) -> None:
    """Nobody retries for a person: who types it twice wants two."""
    for _ in range(2):
        assert crr("repair", f"s3://{broken.bucket}", *options(broken)).code == 0
    assert len(broken.jobs()) == 2


def test_job_that_waits_for_nobody_is_not_confirmed(crr: Crr, broken: Broken) -> None:
    """It is said what it is."""
    created = crr("repair", f"s3://{broken.bucket}", *options(broken))
    until(lambda: broken.jobs()[0]["Status"] == "Failed", "the job is Failed")  # there is nothing to find
    run = crr("repair", "--confirm", created.out.strip())
    assert run.code == 1
    assert "there is nothing to confirm" in run.err


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
@pytest.mark.parametrize("search", [False, True], ids=["objects", "search"])
def test_person_confirms_the_job_of_a_task(crr: Crr, broken: Broken, search: bool, deferrable: bool) -> None:
    """A task with confirmation_required waits for this command, and then ends well, with the one job."""
    uris = broken.put("a")
    broken.pair.allow()
    what: dict[str, Any] = {"source_bucket": broken.bucket} if search else {"objects": uris}
    task = broken.operator(**what, confirmation_required=True, deferrable=deferrable)
    with ThreadPoolExecutor(1) as worker:
        ended = worker.submit(run, task, Run())
        until(lambda: [job["Status"] for job in broken.jobs()] == ["Suspended"], "the job to wait for a person")
        (job,) = broken.jobs()
        assert not ended.done()
        confirmed = crr("repair", "--confirm", job["JobId"])
        value = ended.result(timeout=120)
    assert confirmed.code == 0
    assert f"job {job['JobId']}, 1 objects, is confirmed" in confirmed.err
    assert (value["job_id"], value["verified"]) == (job["JobId"], {"COMPLETED": 1})
    assert len(broken.jobs()) == 1


def test_confirming_keeps_to_what_is_allowed(crr: Crr, broken: Broken) -> None:
    """More objects than --max-objects are not confirmed, nor is anything with --dry-run, which says what it costs."""
    broken.put("a", "b")
    broken.pair.allow()
    job = crr("repair", f"s3://{broken.bucket}", *options(broken)).out.strip()
    until(lambda: broken.jobs()[0]["Status"] == "Suspended", "the job is Suspended")
    looked = crr("repair", "--confirm", job, "--dry-run", "--wait")
    assert looked.code == 0
    assert "2 objects cost about $0.25" in looked.err
    refused = crr("repair", "--confirm", job, "--max-objects", "1", "--wait")
    assert refused.code == 4
    assert "there are 2 objects, and max_objects is 1" in refused.out
    assert broken.jobs()[0]["Status"] == "Suspended"
    assert crr("repair", "--confirm", job, "--max-objects", "2").code == 0
    until(lambda: broken.jobs()[0]["Status"] == "Complete", "the job is Complete")


def test_throttling_is_waited_out(crr: Crr, broken: Broken, orders: BatchOrders) -> None:
    """Standard error says so, once for as long as it lasts."""
    broken.put("a")
    broken.pair.allow()
    orders.hold("Active")
    threading.Timer(2.0, orders.release).start()
    orders.refuse("DescribeJob", "InternalServiceException", status=500, times=10)
    run = crr("repair", f"s3://{broken.bucket}", *options(broken), "--wait")
    assert run.code == 0
    assert run.err.count("cannot ask S3, going on") == 1


def test_job_of_another_account(crr: Crr, broken: Broken) -> None:
    """There is no such job there."""
    created = crr("repair", f"s3://{broken.bucket}", *options(broken))
    run = crr("repair", "--confirm", created.out.strip(), "--account-id", "444455556666")
    assert run.code == 1
    assert "444455556666" in run.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "exactly one of"),
        (("s3://b", "--manifest", "s3://b/m"), "exactly one of"),
        (("s3://b", "--confirm", "x"), "exactly one of"),
        (("b", "--role-arn", ROLE, "--completion-report-uri", "s3://r"), "names no bucket"),
        (("s3://b", "--completion-report-uri", "s3://r"), "--role-arn is needed"),
        (("s3://b", "--role-arn", ROLE), "--completion-report-uri is needed"),
        (("s3://b", "--role-arn", "x", "--completion-report-uri", "s3://r"), "role_arn is 'x'"),
        (
            ("s3://b", "--role-arn", ROLE, "--completion-report-uri", "r"),
            "--completion-report-uri: 'r' is not an S3 URI",
        ),
        (("s3://b", "--status", "PENDING", "--role-arn", ROLE, "--completion-report-uri", "s3://r"), "PENDING"),
        (("s3://b/*", "--role-arn", ROLE, "--completion-report-uri", "s3://r"), "knows no patterns"),
        (("s3://b", "--status", ",", "--role-arn", ROLE, "--completion-report-uri", "s3://r"), "statuses is"),
        (
            ("--manifest", "m", "--role-arn", ROLE, "--completion-report-uri", "s3://r"),
            "--manifest: 'm' is not an S3 URI",
        ),
    ],
)
def test_wrong_arguments(crr: Crr, arguments: Any, said: str) -> None:
    """The exit code is 2, and the message says what is wrong; nobody is asked."""
    run = crr("repair", *arguments)
    assert run.code == 2
    assert said in run.err
