"""What a store that only resembles S3 answers means the same through the AWS Common Runtime and through boto3."""

from __future__ import annotations

import pytest

from airflow_provider_crr.lookup.choice import choose_lookup, head_one
from airflow_provider_crr.replication.status import from_head
from airflow_provider_crr.s3.objects import S3Object
from airflow_provider_crr.s3.stores import MINIO, STORAGEGRID, store_of
from tests.replication.recorded import ANSWERS, head, sent
from tests.support.s3_server import S3Server, stored

NAMES = sorted(path.stem for path in ANSWERS.glob("minio/*.txt"))


@pytest.mark.usefixtures("crt")
def test_recorded_answers_of_minio(server: S3Server, way: str) -> None:
    """Each answer of MinIO, byte by byte, has its meaning and its store through either client."""
    for name in NAMES:
        server.answers["b", name] = sent(f"minio/{name}")
    found = {each.object.key: each for each in choose_lookup(server.client())(S3Object("b", name) for name in NAMES)}
    assert sorted(found) == NAMES
    for name in NAMES:
        assert found[name] == from_head(S3Object("b", name), *head(f"minio/{name}"))
        assert store_of(found[name].server) is MINIO


@pytest.mark.parametrize("name", NAMES)
def test_recorded_answer_about_one_object(server: S3Server, name: str) -> None:
    """The same of one object."""
    server.answers["b", "k"] = sent(f"minio/{name}")
    found = head_one(server.client(), S3Object("b", "k"))
    assert found == from_head(S3Object("b", "k"), *head(f"minio/{name}"))
    assert store_of(found.server) is MINIO


@pytest.mark.usefixtures("crt")
def test_words_of_others(server: S3Server, way: str) -> None:
    """Scality's PROCESSING and StorageGRID's own header are read through either client."""
    server.server_header = "StorageGRID/11.9.0.2"
    server.answers["b", "failed"] = stored(headers={"x-ntap-sg-cgr-replication-status": "FAILURE"})
    server.answers["b", "processing"] = stored("PROCESSING")
    found = list(choose_lookup(server.client())([S3Object("b", "failed"), S3Object("b", "processing")]))
    assert {each.object.key: each.state.value for each in found} == {"failed": "FAILED", "processing": "PENDING"}
    assert {store_of(each.server) for each in found} == {STORAGEGRID}
