"""
Templated arguments, after they are rendered: the one place where they are checked and brought to their types.

A template may make anything of an argument. Rendered as text, a missing value becomes ``""`` or ``"None"``. Rendered to
native objects (``render_template_as_native_obj=True``), text that reads as a Python literal becomes that literal, and a
missing value becomes None, a proxy of None or an undefined name. Other tasks return whatever they like. All of these
spellings of nothing, and blanks, are called *nothing* below.

========================= ============================================================ ========================
argument                  what is taken                                                rendered to nothing
========================= ============================================================ ========================
``bucket_key``            text, an S3Object, a mapping of texts, or any collection of  InvalidArgument, also of
                          these, read once; a whole number is the text of its digits   one element or member
``keys``, ``prefixes``    the same; mappings for keys only                             InvalidArgument, also of
                                                                                       one element
``bucket_name``           text; a whole number is the text of its digits               InvalidArgument
``version_id``            the same                                                     InvalidArgument
``aws_conn_id``           the same                                                     InvalidArgument
``expected_bucket_owner`` 12 digits; a whole number gets back its leading zeros        InvalidArgument
``region_name``           text                                                         None: the connection's
``verify``                True, False, their names, or the path of a CA bundle         InvalidArgument
``inventory``             an S3 URI                                                    InvalidArgument
``newer_than``            a datetime with time zone, or its ISO 8601 text              None: any report
``created_after``         the same                                                     InvalidArgument
``created_before``        the same                                                     InvalidArgument
``objects``               an S3 URI, a mapping, what a gate returned, or any           InvalidArgument
                          collection of these, read once
``manifest_uri``          an S3 URI                                                    None: nothing to do
``source_bucket``         text; a whole number is the text of its digits               InvalidArgument
``statuses``              one or several of FAILED, NONE, COMPLETED and REPLICA        InvalidArgument
``prefix``                text; a whole number is the text of its digits               InvalidArgument
``role_arn``              the ARN of a role                                            InvalidArgument
``completion_report_uri`` an S3 URI                                                    InvalidArgument
``work_uri``              the same                                                     InvalidArgument
``account_id``            12 digits; a whole number gets back its leading zeros        InvalidArgument
``report_uri``            an S3 or file URI, or a path                                 InvalidArgument
``failed_manifest_uri``   the same                                                     InvalidArgument
``extra_args``            a mapping of what boto3 takes for an upload; where that is   InvalidArgument, also of
                          text, a whole number is the text of its digits               one value
========================= ============================================================ ========================

None that the author of the DAG wrote, or left as the default, stays None: the argument is not given. The same holds for
a ``version_id`` of None in a mapping that the author wrote into the DAG. None that came with data, such as another
task's XCom, never means "not given".

Why whole numbers only: native rendering makes numbers of ``20261124`` and ``1e5``. The text of a whole number is known.
It is compared with what the template renders to as text, so ``1_000`` and ``0x10`` are refused. The text of a float, a
boolean or a date is not known. Text without a template is taken as the author wrote it, whatever native rendering made
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_crr.batch.job_request import role
from airflow_provider_crr.batch.selection import SELECTABLE, selectable
from airflow_provider_crr.batch.wanted import HOW_TO_NAME_OBJECTS, wanted
from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3 import objects as s3_uri
from airflow_provider_crr.s3.objects import account_id
from airflow_provider_crr.tasks.arguments import connection, moment, region, verification
from airflow_provider_crr.tasks.rendered_keys import HOW_TO_NAME_KEYS, keys
from airflow_provider_crr.tasks.rendered_values import BY_DATA, Unfit, Value, names_nothing, outlined, resolved, shown
from airflow_provider_crr.tasks.storage_paths import as_text


def _text(value: Value) -> Any:
    return value.text()


def _connection(value: Value) -> Any:
    return connection(value.text())


def _account(value: Value) -> Any:
    return account_id(value.now)


def _owner(value: Value) -> Any:
    return account_id(value.now, "account_id")


def _role(value: Value) -> Any:
    return role(value.now)


def _region(value: Value) -> Any:
    return region(value.now)


def _verification(value: Value) -> Any:
    return verification(value.now)


def _moment(name: str) -> Callable[[Value], Any]:
    return lambda value: moment(value.now if isinstance(value.now, datetime) else value.text(), name)


def _statuses(value: Value) -> Any:
    now = value.now
    return selectable([*now] if isinstance(now, Iterable) and not isinstance(now, str) else now)


def _objects(value: Value) -> Any:
    return wanted(as_text(value.now)[0])


def _uri(value: Value) -> Any:
    if not isinstance(value.now, str) or names_nothing(value):
        raise Unfit
    return s3_uri.canonical(value.now)


def _upload(value: Value) -> Any:
    if not isinstance(value.now, Mapping):
        raise Unfit
    written = value.written if isinstance(value.written, Mapping) else {}
    return {name: _sent(name, value.part(each, written.get(name, BY_DATA))) for name, each in value.now.items()}


def _sent(name: Any, value: Value) -> Any:
    """Return a value that is sent with an upload. Nothing is refused: it would be sent as a header "None"."""
    if value.is_nothing:
        raise Unfit
    if isinstance(value.now, Mapping):  # Metadata
        written = value.written if isinstance(value.written, Mapping) else {}
        return {key: _sent(key, value.part(each, written.get(key, BY_DATA))) for key, each in value.now.items()}
    in_doubt = isinstance(value.now, int | float) and not isinstance(value.now, bool)
    return value.text() if value.is_rendered and in_doubt else value.now


@dataclass(frozen=True, slots=True)
class Argument:
    """
    How one argument is read.

    :param read: returns the value in its type, or raises a ValueError.
    :param how: how to write it, one sentence.
    :param may_be_nothing: whether a template that renders to nothing means "not given".
    :param shown: how a message shows a value that it cannot take.
    """

    read: Callable[[Value], Any]
    how: str
    may_be_nothing: bool = False
    shown: Callable[[Any], str] = shown


_WHERE_TO_WRITE = "Give s3://bucket/key, file:///path or an absolute path, or write None in the DAG for none"
ARGUMENTS = {
    "bucket_key": Argument(keys, HOW_TO_NAME_KEYS),
    "keys": Argument(keys, "Give text: a key or s3://bucket/key, or a list of these; an empty list for none"),
    "prefixes": Argument(keys, "Give text, such as orders/2026/, or a list of it; an empty list for none"),
    "bucket_name": Argument(
        _text,
        "Give text: the bucket's name, or leave bucket_name out of the DAG and give s3://bucket/key as bucket_key",
    ),
    "version_id": Argument(
        _text,
        'Give text: a version id ("null" for one from before versioning), or leave version_id out of the DAG for the'
        " current version",
    ),
    "aws_conn_id": Argument(
        _connection, "Give the id of an Airflow connection, or write None in the DAG for boto3's own credentials"
    ),
    "expected_bucket_owner": Argument(
        _account, "Give the 12 digits of an AWS account id as text, or leave expected_bucket_owner out of the DAG"
    ),
    "region_name": Argument(_region, "Give text, such as eu-west-1; nothing means the connection's", True),
    "verify": Argument(
        _verification, "Give True, False or the path of a CA bundle, or write None in the DAG for the connection's"
    ),
    "inventory": Argument(_uri, "Give text: s3://destination-bucket/prefix/source-bucket/configuration-id/"),
    "newer_than": Argument(
        _moment("newer_than"), "Give a datetime with time zone, or its ISO 8601 text; nothing means any report", True
    ),
    **{
        name: Argument(
            _moment(name),
            f"Give a datetime with time zone, or its ISO 8601 text, or leave {name} out of the DAG for any",
        )
        for name in ("created_after", "created_before")
    },
    "objects": Argument(_objects, HOW_TO_NAME_OBJECTS),
    "manifest_uri": Argument(_uri, "Give text: s3://bucket/key; nothing means that there is nothing to do", True),
    "source_bucket": Argument(_text, "Give text: the bucket's name"),
    "statuses": Argument(_statuses, f"Give one or several of {', '.join(SELECTABLE)}"),
    "prefix": Argument(_text, "Give text: the beginning of the keys, or leave prefix out of the DAG for all keys"),
    "role_arn": Argument(_role, "Give text: arn:aws:iam::111122223333:role/name"),
    "completion_report_uri": Argument(_uri, "Give text: s3://bucket/prefix/"),
    "work_uri": Argument(_uri, "Give text: s3://bucket/prefix/, or leave work_uri out of the DAG"),
    "account_id": Argument(
        _owner, "Give the 12 digits of an AWS account id as text, or leave account_id out for the connection's"
    ),
    "report_uri": Argument(_uri, _WHERE_TO_WRITE),
    "failed_manifest_uri": Argument(_uri, _WHERE_TO_WRITE),
    "extra_args": Argument(
        _upload,
        'Give a mapping, such as {"ServerSideEncryption": "aws:kms"}, of texts, and leave out what is not to be sent',
        shown=outlined,  # one of them may be a customer's encryption key
    ),
}


def coerced(name: str, now: Any, written: Any, as_text: Callable[[str], str] | None = None) -> Any:
    """
    Return a templated argument in its type, by the table of this module.

    :param name: the argument.
    :param now: its value, rendered or not.
    :param written: what the author of the DAG wrote; the same value if it is not rendered.
    :param as_text: returns what a template renders to as text.
    :raises InvalidArgument: if the argument cannot take the value.
    """
    if now is None and written is None:
        return None
    argument, value = ARGUMENTS[name], Value(resolved(now), written, as_text)
    verb = "rendered to" if value.is_rendered else "is"
    if value.is_nothing:
        if argument.may_be_nothing:
            return None
        detail = ": an S3 object needs a key" if name == "bucket_key" else ""
        raise InvalidArgument(f"{name} {verb} {shown(value.now)}{detail}", remedy=argument.how)
    try:
        return argument.read(value)
    except InvalidArgument as error:
        if not value.is_rendered or name == "bucket_key":
            raise
        raise InvalidArgument(f"{name} {verb} {argument.shown(value.now)}", remedy=argument.how) from error
    except Unfit as error:
        raise InvalidArgument(f"{name} {verb} {argument.shown(value.now)}", remedy=argument.how) from error
