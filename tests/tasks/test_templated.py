"""Templated arguments after rendering, without Airflow's task runner: one table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest
from lazy_object_proxy import Proxy

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.hooks.replication import S3ReplicationHook
from airflow_provider_crr.operators.batch_replication import S3BatchReplicationOperator
from airflow_provider_crr.operators.deletion import S3DeleteReplicatedObjectsOperator
from airflow_provider_crr.operators.inventory import S3InventorySummaryOperator
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.sensors.inventory import S3InventorySensor
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from airflow_provider_crr.tasks.argument_types import ARGUMENTS, coerced
from airflow_provider_crr.triggers.inventory_report import S3InventoryReportTrigger

TEMPLATE = "{{ made }}"
NOTHING = [None, "", " \n", "None", Proxy(lambda: None), jinja2.Undefined(), jinja2.StrictUndefined()]
OPTIONAL = {"newer_than", "region_name", "manifest_uri"}
INVENTORY = "s3://dest/landing/daily/"


@pytest.mark.parametrize(
    "task",
    [
        *(S3ReplicationSensor, S3InventorySensor, S3InventorySummaryOperator, S3DeleteReplicatedObjectsOperator),
        S3BatchReplicationOperator,
    ],
)
def test_every_templated_argument_is_in_the_table(task: type) -> None:
    """No templated argument of any task is left out of the table."""
    fields: Any = task.template_fields  # type: ignore[attr-defined]
    assert set(fields) <= set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("nothing", NOTHING, ids=lambda value: type(value).__name__)
def test_nothing_means_not_given_for_three_arguments_only(name: str, nothing: object) -> None:
    """Every spelling of nothing is "not given" for newer_than, region_name, manifest_uri, and refused elsewhere."""
    if name in OPTIONAL:
        assert coerced(name, nothing, TEMPLATE) is None
        return
    with pytest.raises(InvalidArgument, match=f"^{name} rendered to ") as caught:
        coerced(name, nothing, TEMPLATE)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ARGUMENTS)
def test_none_that_the_author_wrote_stays(name: str) -> None:
    """None in the DAG is "not given", whatever the argument."""
    assert coerced(name, None, None) is None


@pytest.mark.parametrize(
    ("name", "now", "is_"),
    [
        ("bucket_key", 20261124, "20261124"),
        ("bucket_key", (7, "a"), ["7", "a"]),
        ("bucket_key", iter(["a", 7]), ["a", "7"]),
        ("bucket_key", {"bucket": 1, "key": 2, "version_id": 3}, {"bucket": "1", "key": "2", "version_id": "3"}),
        ("bucket_key", S3Object("b", "k"), S3Object("b", "k")),
        ("bucket_key", Proxy(lambda: "s3://b/k"), "s3://b/k"),
        ("bucket_name", 123456, "123456"),
        ("version_id", 77, "77"),
        ("aws_conn_id", 12, "12"),
        ("expected_bucket_owner", 111122223333, "111122223333"),
        ("expected_bucket_owner", 12345678901, "012345678901"),
        ("expected_bucket_owner", 0, "000000000000"),
        ("expected_bucket_owner", "012345678901", "012345678901"),
        ("region_name", "eu-west-1", "eu-west-1"),
        ("verify", "True", True),
        ("verify", "false", False),
        ("verify", False, False),
        ("verify", "/etc/ca.pem", "/etc/ca.pem"),
        ("verify", Path("/etc/ca.pem"), "/etc/ca.pem"),
        ("inventory", "s3a://dest/landing/daily/", INVENTORY),
        ("newer_than", "2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("newer_than", 20261124, datetime(2026, 11, 24, tzinfo=UTC)),
        ("newer_than", Proxy(lambda: datetime(2026, 11, 24, tzinfo=UTC)), datetime(2026, 11, 24, tzinfo=UTC)),
        ("report_uri", "S3://b/report.html", "s3://b/report.html"),
        ("report_uri", "/tmp/report.html", "/tmp/report.html"),
        ("extra_args", {"SSEKMSKeyId": 12, "ACL": "private"}, {"SSEKMSKeyId": "12", "ACL": "private"}),
        (
            "extra_args",
            {"BucketKeyEnabled": True, "Metadata": {"n": 1}},
            {"BucketKeyEnabled": True, "Metadata": {"n": "1"}},
        ),
    ],
)
def test_what_templates_make_is_brought_to_its_type(name: str, now: Any, is_: object) -> None:
    """What rendering made of an argument is brought to the argument's type, and stays there."""
    found = coerced(name, now, TEMPLATE)
    assert (found, type(found)) == (is_, type(is_))
    assert coerced(name, found, TEMPLATE) == found


@pytest.mark.parametrize(
    ("name", "now"),
    [
        *((name, value) for name in ("bucket_key", "bucket_name", "version_id") for value in (1.5, True, b"a", UTC)),
        *((name, datetime(2026, 11, 24, tzinfo=UTC)) for name in ("bucket_key", "bucket_name", "version_id")),
        *(("expected_bucket_owner", value) for value in (1e11, True, -1, 10**12, "11112222333", "1111-2222-3333")),
        *((name, value) for name in ("region_name", "aws_conn_id") for value in (1.5, True, ["a"])),
        *(("verify", value) for value in (0, 1.5, ["a"])),
        *(("newer_than", value) for value in (1.5, True, "yesterday", datetime(2026, 11, 24), 1763596800)),
        *((name, value) for name in ("inventory", "report_uri", "failed_manifest_uri") for value in (7, True, ["a"])),
        *((name, "s3://None/landing/daily/") for name in ("bucket_key", "inventory", "report_uri")),
        ("bucket_key", "s3://b/None"),
        *(
            ("extra_args", value)
            for value in ("{'ACL': 'private'}", 7, ["ACL"], {"ACL": None}, {"ACL": ""}, {"ACL": 1.5})
        ),
        ("extra_args", {"Metadata": {"by": "None"}}),
    ],
)
def test_what_an_argument_cannot_take_is_refused(name: str, now: object) -> None:
    """What is none of an argument's types is refused, naming the argument, what it rendered to, and how to write it."""
    with pytest.raises(InvalidArgument, match=f"^{name} rendered to ") as caught:
        coerced(name, now, TEMPLATE)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"SSECustomerKey": "hunter2", "ACL": "None"}, "{'SSECustomerKey': <str>, 'ACL': 'None'}"),
        (
            {"SSECustomerKey": b"hunter2", "Metadata": {"by": None}},
            "{'SSECustomerKey': <bytes>, 'Metadata': {'by': None}}",
        ),
        ("{'SSECustomerKey': 'hunter2'}", "<str>"),
        (["hunter2"], "<list>"),
    ],
)
def test_a_customers_key_is_in_no_message(now: Any, told: str) -> None:
    """Of what is sent with an upload a message shows the names, and which of them rendered to nothing: no value."""
    with pytest.raises(InvalidArgument) as caught:
        coerced("extra_args", now, TEMPLATE)
    assert f"extra_args rendered to {told}. " in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("element", [None, "None", "", 1.5, {"bucket": "b", "key": "k", "version_id": None}])
@pytest.mark.parametrize("written", [TEMPLATE, ["s3://b/a", TEMPLATE], ("s3://b/a", TEMPLATE)])
def test_one_element_of_nothing_is_refused(element: object, written: Any) -> None:
    """A list from a template, or with one in it, is refused if one of its elements is nothing, or in doubt."""
    with pytest.raises(InvalidArgument):
        coerced("bucket_key", ["s3://b/a", element], written)


def test_mapping_is_judged_member_by_member() -> None:
    """In a mapping that the author wrote, None is not given; a member that a template filled must be there."""
    written = {"bucket": "b", "key": TEMPLATE, "version_id": None}
    assert coerced("bucket_key", {**written, "key": "k"}, written) == {"bucket": "b", "key": "k"}
    for name in ("bucket", "key", "version_id"):
        with pytest.raises(InvalidArgument, match=f"{name} None"):
            coerced("bucket_key", {**written, "key": "k", name: None}, {**written, name: TEMPLATE})
    with pytest.raises(InvalidArgument, match="version_id None"):
        coerced("bucket_key", {**written, "key": "k"}, TEMPLATE)


@pytest.mark.parametrize("text", ["20261124", "1e5", "0x10", "True"])
def test_text_of_the_authors_is_no_number(text: str) -> None:
    """Text without a template is the author's word, also where native rendering read a number or a name into it."""
    for name in ("bucket_key", "bucket_name", "version_id"):
        assert coerced(name, eval(text), text) == text
    assert coerced("bucket_key", [eval(text)], [text]) == [text]


@pytest.mark.parametrize(("spelled", "now"), [("1_000", 1000), ("0x10", 16), ("+5", 5)])
def test_number_of_another_spelling_is_refused(spelled: str, now: int) -> None:
    """A number whose digits are not what the template rendered to as text would name another object."""
    with pytest.raises(InvalidArgument, match="rendered to"):
        coerced("bucket_key", now, TEMPLATE, lambda template: spelled)
    assert coerced("bucket_key", now, TEMPLATE, lambda template: str(now)) == str(now)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"expected_bucket_owner": "landing"}, "expected_bucket_owner is 'landing'"),
        ({"expected_bucket_owner": 1.0}, "expected_bucket_owner"),
        ({"region_name": "None"}, "region_name is 'None'"),
        ({"region_name": 7}, "region_name"),
        ({"verify": 7}, "verify is 7"),
        ({"aws_conn_id": ""}, "aws_conn_id is ''"),
    ],
)
def test_what_is_known_at_parse_time_is_checked_then(arguments: dict[str, Any], says: str) -> None:
    """The same types hold for what is no template, for tasks and watchers, when they are made."""
    with pytest.raises(InvalidArgument, match=says):
        S3ReplicationSensor(task_id="t", bucket_key="s3://b/k", **arguments)
    with pytest.raises(InvalidArgument, match=says):
        S3InventoryReportTrigger(inventory=INVENTORY, **arguments)


def test_owner_of_a_hook_or_a_watcher_is_twelve_digits() -> None:
    """A hook and a watcher take a whole number as the owner, too, and refuse what is no account id."""
    assert S3ReplicationHook(expected_bucket_owner=12345678901).expected_bucket_owner == "012345678901"  # type: ignore[arg-type]
    watcher = S3InventoryReportTrigger(inventory=INVENTORY, expected_bucket_owner=111122223333)  # type: ignore[arg-type]
    assert watcher.serialize()[1]["expected_bucket_owner"] == "111122223333"
    assert S3InventoryReportTrigger(**watcher.serialize()[1]).serialize() == watcher.serialize()
    for owner in ("None", "", True, 1.0, 10**12):
        with pytest.raises(InvalidArgument, match="expected_bucket_owner"):
            S3ReplicationHook(expected_bucket_owner=owner)  # type: ignore[arg-type]


def test_arguments_set_in_the_place_of_templates_are_rendered_ones() -> None:
    """What stands in a template's place when the task runs is what it rendered to, whoever put it there."""
    sensor = S3ReplicationSensor(task_id="t", bucket_key="s3://b/k", version_id=TEMPLATE, deferrable=False)
    for nothing in NOTHING:
        sensor.version_id = nothing  # type: ignore[assignment]
        for run in (sensor.execute, sensor.poke, sensor.execute_complete):
            with pytest.raises(InvalidArgument, match="version_id rendered to"):
                run({})  # type: ignore[arg-type]


def test_first_runs_of_a_task_are_alike() -> None:
    """Bringing arguments to their types twice changes nothing."""
    sensor: Any = S3InventorySensor(task_id="t", inventory=TEMPLATE, newer_than=TEMPLATE, verify=TEMPLATE)
    sensor.inventory, sensor.newer_than, sensor.verify = "S3A://dest/landing/daily/", "None", "False"
    for _ in range(2):
        sensor._coerce_arguments({})
        assert (sensor.inventory, sensor.newer_than, sensor.verify) == (INVENTORY, None, False)


def test_subclass_may_add_templated_fields_of_its_own() -> None:
    """A user's subclass sets what it adds after the constructor of ours, as is usual with Airflow."""

    class Mine(S3ReplicationSensor):
        template_fields = (*S3ReplicationSensor.template_fields, "extra")

        def __init__(self, *, extra: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.extra = extra

    sensor = Mine(task_id="t", bucket_key="s3://b/k", extra="{{ ds }}")
    sensor.render_template_fields({"ds": "2026-11-26"})
    sensor._coerce_arguments({})
    assert (sensor.extra, sensor.bucket_key) == ("2026-11-26", "s3://b/k")


def test_subclass_may_take_back_what_is_no_template() -> None:
    """None that a subclass sets in the place of a literal is the author's, and means not given."""
    sensor = S3ReplicationSensor(task_id="t", bucket_key="s3://b/k", version_id="v")
    sensor.version_id = None
    sensor.render_template_fields({})
    sensor._coerce_arguments({})
    assert sensor.version_id is None
