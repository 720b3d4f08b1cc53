"""
The commands of ``airflow crr``, and their arguments.

Every ``airflow`` command imports this module. What a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Any

from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command


def _arg(flag: str, **more: Any) -> Arg:
    return Arg((flag,), **more)  # type: ignore[no-untyped-call]


_OBJECT_HELP = "s3://bucket/key, the key as S3 stores it; s3://bucket/key?versionId=ID names a version"

ARG_CONN_ID = _arg("--conn-id", default="aws_default", help="Airflow connection; aws_default by default")
ARG_REGION = _arg("--region", metavar="NAME", help="AWS Region; the connection's by default")
ARG_EXPECTED_BUCKET_OWNER = _arg(
    "--expected-bucket-owner", metavar="ACCOUNT", help="Account id that must own the bucket"
)
ARG_REQUESTER_PAYS = _arg(
    "--requester-pays", action="store_true", help="Accept the request costs of a requester-pays bucket"
)
ARG_JSON_LINES = _arg("--json", action="store_true", help="One JSON object a line instead of the table")
ARG_JSON_DOCUMENT = _arg("--json", action="store_true", help="One JSON document instead of text")
ARG_VERSION_ID = _arg(
    "--version-id", metavar="ID", help='Version of the one object that is named; "null" from before versioning'
)
ARG_OBJECTS = _arg(
    "objects",
    nargs="+",
    metavar="OBJECT",
    help=f"{_OBJECT_HELP}.\n"
    "With *, ? or [ in its key it is a pattern, and with a / at its end a folder: everything below it. Quote both.\n"
    "A lone - reads objects from standard input, one a line, UTF-8: URIs, where all after the\n"
    "bucket is the key, or JSON with bucket, key and version_id, such as a line that --json wrote. A byte-order\n"
    "mark and lines that all end in CR LF, are taken, too",
)
ARG_LITERAL = _arg("--literal", action="store_true", help="Take *, ?, [ and a / at the end as parts of keys")
ARG_ONLY = _arg(
    "--only", metavar="STATES", help="Show only these states, such as pending,failed; the counts are of all"
)
ARG_OBJECT = _arg("object", metavar="OBJECT", help=_OBJECT_HELP)
ARG_DAG = _arg("dag_id", metavar="DAG", help="Id of the DAG")
ARG_TASK = _arg("task_id", metavar="TASK", help="Id of the gate's task")
ARG_RUN = _arg("run_id", metavar="RUN", help="Id of the DAG run, as `airflow dags list-runs` has it")
ARG_MAP_INDEX = _arg("--map-index", type=int, metavar="N", help="Map index of the gate, if its task is mapped")
ARG_MAX_REQUESTS = _arg(
    "--max-requests-per-second",
    type=float,
    default=1000.0,
    metavar="NUMBER",
    help="Most HEAD requests in a second; 1000 by default, because replication uses the same limits of S3",
)
ARG_INVENTORY = _arg(
    "inventory",
    metavar="INVENTORY",
    help="s3://.../manifest.json of a report, or the inventory's folder s3://dest/prefix/source-bucket/config-id/\n"
    "for its newest complete report",
)
ARG_HTML = _arg("--html", metavar="FILE", help="Also write the report as one HTML page")
ARG_PREFIX_DEPTH = _arg(
    "--prefix-depth", type=int, default=0, metavar="N", help="How many key segments make a prefix; 0: no prefixes"
)
ARG_VERSIONS = _arg(
    "--versions", choices=("all", "current"), default="all", help="All object versions, or the current ones"
)
ARG_PLACE = _arg(
    "place",
    nargs="?",
    metavar="PLACE",
    help="s3://BUCKET or s3://BUCKET/PREFIX: S3 looks there for what to repair, and counts it before it replicates",
)
ARG_MANIFEST = _arg(
    "--manifest", metavar="URI", help="Repair the objects of a manifest, S3BatchOperations_CSV_20180820, instead"
)
ARG_CONFIRM = _arg("--confirm", metavar="JOB", help="Confirm the job of this id, which waits for it, instead")
ARG_ROLE = _arg("--role-arn", metavar="ARN", help="Role of the job, which batchoperations.s3.amazonaws.com may assume")
ARG_REPORT = _arg(
    "--completion-report-uri", metavar="URI", help="Folder of S3's completion report: s3://bucket/prefix/"
)
ARG_STATUS = _arg(
    "--status",
    default="FAILED",
    metavar="STATUSES",
    help="What S3 looks for: FAILED by default, NONE, COMPLETED, REPLICA, joined by commas",
)
ARG_ACCOUNT_ID = _arg(
    "--account-id", metavar="ACCOUNT", help="Account that owns the job; the connection's by default, which STS tells"
)
ARG_MAX_OBJECTS = _arg(
    "--max-objects", type=int, metavar="NUMBER", help="Replicate nothing if there are more; with PLACE it needs --wait"
)
ARG_DRY_RUN = _arg("--dry-run", action="store_true", help="Check all that can be checked, and create or confirm no job")
ARG_WAIT = _arg(
    "--wait",
    action="store_true",
    help="Wait until the job has ended, read its report, and ask for the status of each object. With PLACE the job is\n"
    "confirmed once S3 has counted; without --wait it waits for --confirm",
)

_COMMON = (ARG_CONN_ID, ARG_REGION, ARG_EXPECTED_BUCKET_OWNER, ARG_REQUESTER_PAYS, ARG_VERBOSE)

_GATE_EXIT_CODES = """\
The exit code is what a gate with default settings would do:
  0  open: every object is COMPLETED or REPLICA
  1  not known: S3 could not be asked (no credentials, for example), or there is no such bucket
  2  not known: wrong arguments, or no object was named
  3  wait: some object is PENDING, MISSING or UNKNOWN (also if no answer came); or nothing matches a pattern
  4  fail: some object is DELETED, FORBIDDEN or UNREADABLE; or FAILED or without status (NONE) if nothing tries again
"""
_EXIT_CODES_OF_A_GATE = """\
The exit code is what the gate would do now:
  0  open
  1  not known: S3 could not be asked, or what the gate asks cannot be read here
  2  not known: there is no such gate, or Airflow has not kept all that it asks
  3  wait
  4  fail
"""
_SUMMARY_EXIT_CODES = """\
Exit code: 0 whatever the report says; 1 if it cannot be read or trusted; 2 for wrong arguments.
"""
_REPAIR_EXIT_CODES = """\
Exit code:
  0  without --wait: the job is created, or confirmed; with it: all is replicated, or there was nothing to do
  1  S3 could not be asked, or did not take the job
  2  wrong arguments, or a manifest that S3 does not take
  4  with --wait: the job failed, some task of it failed, or an object is not replicated; or more than --max-objects
"""

CRR_COMMANDS = (
    ActionCommand(
        name="status",
        help="Ask S3 for the replication status of objects",
        description="Ask S3 for the replication status of objects, by one HEAD each. Objects of the command line are\n"
        "shown in their order, those of standard input and of patterns as S3 answers.",
        func=lazy_load_command("airflow_provider_crr.cli.status.status"),
        args=(ARG_OBJECTS, ARG_VERSION_ID, ARG_LITERAL, ARG_ONLY, ARG_JSON_LINES, ARG_MAX_REQUESTS, *_COMMON),
        epilog=_GATE_EXIT_CODES,
    ),
    ActionCommand(
        name="explain",
        help="Say why an object has its replication status, and what to do",
        description="Say what the replication status of an object means for a gate, which rule covers the object or\n"
        "why none does, where its replica goes, and what to do.",
        func=lazy_load_command("airflow_provider_crr.cli.explain.explain"),
        args=(ARG_OBJECT, ARG_VERSION_ID, ARG_LITERAL, ARG_JSON_DOCUMENT, *_COMMON),
        epilog=_GATE_EXIT_CODES,
    ),
    ActionCommand(
        name="gate",
        help="Ask again what a gate of a DAG run asks, and say what it would decide",
        description="Ask S3 again what a task of S3ReplicationSensor asks in a DAG run: for the same objects and\n"
        "patterns, by the same connection and policy, and say what it would decide. All is asked for, also what is\n"
        "done. It needs Airflow's database and, unless the gate is deferred, the DAG's file. It changes nothing.",
        func=lazy_load_command("airflow_provider_crr.cli.gate.gate"),
        args=(ARG_DAG, ARG_TASK, ARG_RUN, ARG_MAP_INDEX, ARG_ONLY, ARG_JSON_LINES, ARG_VERBOSE),
        epilog=_EXIT_CODES_OF_A_GATE,
    ),
    ActionCommand(
        name="summarize",
        help="Summarize an S3 Inventory report by replication status",
        description="Summarize an S3 Inventory report by replication status, on this machine. Its files are unpacked\n"
        "below TMPDIR, up to three at a time.",
        func=lazy_load_command("airflow_provider_crr.cli.summarize.summarize"),
        args=(ARG_INVENTORY, ARG_HTML, ARG_JSON_DOCUMENT, ARG_PREFIX_DEPTH, ARG_VERSIONS, *_COMMON),
        epilog=_SUMMARY_EXIT_CODES,
    ),
    ActionCommand(
        name="repair",
        help="Replicate with S3 Batch Replication what FAILED or was never tried",
        description="Create a job of S3 Batch Replication, of what S3 finds in a bucket or of a manifest, or confirm\n"
        "one. It costs $0.25 a job and $1.00 a million objects. The id of the job goes to standard output.",
        func=lazy_load_command("airflow_provider_crr.cli.repair.repair"),
        args=(
            *(ARG_PLACE, ARG_MANIFEST, ARG_CONFIRM, ARG_ROLE, ARG_REPORT, ARG_STATUS, ARG_ACCOUNT_ID, ARG_MAX_OBJECTS),
            *(ARG_DRY_RUN, ARG_WAIT, ARG_JSON_DOCUMENT, *_COMMON),
        ),
        epilog=_REPAIR_EXIT_CODES,
    ),
)


def get_crr_commands() -> list[CLICommand]:
    """Return what is added to the ``airflow`` command."""
    return [GroupCommand(name="crr", help="S3 replication status", subcommands=CRR_COMMANDS)]
