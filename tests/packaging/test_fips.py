"""A Python in FIPS mode, which has no MD5 for whatever has to do with security, and no BLAKE2: all works there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import airflow_provider_crr

ROOT = Path(airflow_provider_crr.__file__).parent
#: As OpenSSL's FIPS provider and the Python of RHEL do it; botocore tries MD5 once, when it is imported.
IN_FIPS_MODE = """
import hashlib, _hashlib

def guarded(real, named):
    def make(*args, usedforsecurity=True, **kwargs):
        if usedforsecurity and (not named or args[0].lower() == "md5"):
            raise ValueError("[digital envelope routines] disabled for FIPS")
        return real(*args, usedforsecurity=usedforsecurity, **kwargs)
    return make

for module, name in ((hashlib, "md5"), (_hashlib, "openssl_md5"), (hashlib, "new"), (_hashlib, "new")):
    setattr(module, name, guarded(getattr(module, name), name == "new"))

def openssl_blake2(*args, usedforsecurity=True):
    raise ValueError("[digital envelope routines] disabled for FIPS")

hashlib.blake2b = hashlib.blake2s = openssl_blake2
try:
    hashlib.md5(b"")
except ValueError:
    pass
else:
    raise SystemExit("MD5 is not refused")
"""
RUN = """
import importlib, os, pkgutil, tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
import airflow_provider_crr
for found in pkgutil.walk_packages(airflow_provider_crr.__path__, "airflow_provider_crr."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)

from tests.inventory.summaries import summarize_local
from airflow_provider_crr.lookup.choice import choose_lookup
from airflow_provider_crr.replication.status import S3Object
from airflow_provider_crr.sensors.replication import S3ReplicationSensor
from botocore.awsrequest import AWSResponse
from local_aws.inventory import Row, write_report
from tests.inventory.rows import CREATED_AT, SOURCE, row
from tests.inventory.store import Store
from tests.support.s3_server import Listed, S3Server, stored
from tests.support.tls import authority

folder = Path(tempfile.mkdtemp())
with S3Server(tls=authority(folder)) as server:
    server.default = lambda bucket, key, version: stored("COMPLETED")
    client = server.client(verify=str(folder / "cert.pem"))
    for count in (1, 3):
        found = list(choose_lookup(client)(S3Object("b", f"k{n}") for n in range(count)))
        print(*(each.state.value for each in found))

    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = server.airflow_connection_json()
    server.listings["b"] = {"p/1": Listed(), "p/2": Listed()}
    for keys in (["p/1", "p/2"], "p/*"):
        gate = S3ReplicationSensor(task_id="gate", bucket_key=keys, bucket_name="b", wildcard_match=keys == "p/*",
                                   verify=str(folder / "cert.pem"), timeout=60)
        print("gate", gate.execute({"ti": SimpleNamespace(xcom_push=lambda **_: None)})["statuses"])

    class Body:
        def stream(self):
            return iter([b"<DeleteResult/>"])
    def answer(request, **_):
        print(*(name for name in request.headers if name.lower().startswith(("content-md5", "x-amz-checksum"))))
        return AWSResponse(request.url, 200, {}, Body())
    client.meta.events.register("before-send.s3.DeleteObjects", answer)
    client.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "k", "VersionId": "v"}]})

with Store() as store:
    for file_format in ("CSV", "ORC", "Parquet"):
        report = write_report([row("a"), row("b")], file_format=file_format, source_bucket=SOURCE,
                              destination_bucket="reports", created_at=CREATED_AT)
        print(file_format, summarize_local(store.s3, store.hold(report)).to_dict()["objects"])
"""


def test_every_md5_says_that_it_is_not_for_security() -> None:
    """Nowhere in the package is MD5 made without ``usedforsecurity=False``, nor by name."""
    found = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
            if not isinstance(node, ast.Call) or name not in ("md5", "new", "file_digest"):
                continue
            said = {each.arg: getattr(each.value, "value", None) for each in node.keywords}
            named = name != "md5" and "md5" in [getattr(each, "value", None) for each in node.args]
            if (name == "md5" or named) and said.get("usedforsecurity") is not False:
                found.append(f"{path}:{node.lineno}")
    assert found == []


def test_no_hash_is_used_that_fips_mode_has_not() -> None:
    """BLAKE2 is nowhere in the package: RHEL's Python refuses it in FIPS mode, and its arguments, too."""
    assert [path for path in ROOT.rglob("*.py") if "blake2" in path.read_text()] == []


def test_all_works_without_md5_for_security(airflow_home: Path) -> None:
    """Every module loads, gates ask over TLS and store their records, versions are deleted and reports are read."""
    ran = subprocess.run(
        [sys.executable, "-c", IN_FIPS_MODE + RUN],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT.parent,
        env={**os.environ, "AIRFLOW_HOME": str(airflow_home), "AWS_EC2_METADATA_DISABLED": "true"},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    lines = ran.stdout.splitlines()
    assert "COMPLETED" in lines
    assert "COMPLETED COMPLETED COMPLETED" in lines
    assert lines.count("gate {'COMPLETED': 2}") == 2
    assert any(line.lower().startswith("x-amz-checksum-") for line in lines)
    assert [line for line in lines if line.split(" ")[0] in ("CSV", "ORC", "Parquet")] == [
        "CSV 2",
        "ORC 2",
        "Parquet 2",
    ]
