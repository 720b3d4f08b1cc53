"""
Templated arguments, after they are rendered: the one place where they are checked and brought to their types.

A template may make anything of an argument. Rendered as text, what is missing becomes ``""`` or ``"None"``; rendered to
native objects (``render_template_as_native_obj=True``) text that reads as a Python literal becomes that literal, and
what is missing None, a proxy of None or an undefined name; other tasks return whatever they like. All of these
spellings of nothing, and blanks, are *nothing* below.

========================= ============================================================ ========================
argument                  what is taken                                                rendered to nothing
========================= ============================================================ ========================
``bucket_key``            text, an S3Object, a mapping of texts, or any collection of  InvalidArgument, also of
                          these, read once; a whole number is the text of its digits   one element or member
``bucket_name``           text; a whole number is the text of its digits               InvalidArgument
``version_id``            the same                                                     InvalidArgument
``aws_conn_id``           the same                                                     InvalidArgument
``expected_bucket_owner`` 12 digits; a whole number gets back its leading zeros        InvalidArgument
``region_name``           text                                                         None: the connection's
``verify``                True, False, their names, or the path of a CA bundle         InvalidArgument
``inventory``             an S3 URI                                                    InvalidArgument
``newer_than``            a datetime with time zone, or its ISO 8601 text              None: any report
``report_uri``            an S3 or file URI, or a path                                 InvalidArgument
``failed_manifest_uri``   the same                                                     InvalidArgument
``extra_args``            a mapping of what boto3 takes for an upload; where that is   InvalidArgument, also of
                          text, a whole number is the text of its digits               one value
========================= ============================================================ ========================

None that the author of the DAG wrote, or left as the default, stays None: not given. So does a ``version_id`` of None
in a mapping that the author wrote into the DAG. None that data gave, such as another task's XCom, never means that.

Why whole numbers only: native rendering makes numbers of ``20261124`` and ``1e5``. Of a whole number the text is known
(and compared with what a template renders to as text: ``1_000`` and ``0x10`` are refused); of floats, booleans, dates
it is not. Text that is no template is taken as the author wrote it, whatever native rendering made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.s3 import objects as s3_uri
from airflow_provider_crr.s3.objects import S3Object, account_id
from airflow_provider_crr.tasks.arguments import connection, is_expanded, is_template, moment, region, verification

if TYPE_CHECKING:
    from jinja2 import Environment

#: In the place of what the author wrote, for a value that other tasks gave.
_BY_DATA = object()


class _Unfit(ValueError):
    """A value that its argument cannot take."""


@dataclass(frozen=True, slots=True)
class _Value:
    """
    A value on its way to its type.

    :param now: what it is.
    :param written: what the author wrote at its place.
    :param as_text: returns what a text of the author's renders to as text; None if that is not to be known.
    """

    now: Any
    written: Any
    as_text: Callable[[str], str] | None = None

    @property
    def is_rendered(self) -> bool:
        """Whether it is something else than what the author wrote."""
        if self.now is self.written:
            return False
        return not (isinstance(self.now, str) and isinstance(self.written, str) and self.now == self.written)

    @property
    def is_nothing(self) -> bool:
        """Whether rendering has left nothing."""
        if isinstance(self.now, str):
            return self.is_rendered and self.now.strip() in ("", "None")
        return self.is_rendered and (self.now is None or _is_undefined(self.now))

    def text(self) -> str:
        """Return it as text, if there is no doubt which."""
        if isinstance(self.now, str):
            return self.now
        if not self.is_rendered:
            raise _Unfit
        if isinstance(self.written, str):
            spelled = self.written if self.as_text is None and not is_template(self.written) else self._spelled()
            if spelled == self.written:  # no template: native rendering has read the author's own text
                return spelled
            if spelled not in (None, str(self.now)):
                raise _Unfit
        if isinstance(self.now, bool) or not isinstance(self.now, int):
            raise _Unfit
        return str(self.now)

    def _spelled(self) -> str | None:
        return self.as_text(self.written) if self.as_text else None

    def part(self, now: Any, written: Any) -> _Value:
        """Return a value that is a part of this one."""
        return _Value(_real(now), written, self.as_text)


def _text(value: _Value) -> Any:
    return value.text()


def _connection(value: _Value) -> Any:
    return connection(value.text())


def _account(value: _Value) -> Any:
    return account_id(value.now)


def _region(value: _Value) -> Any:
    return region(value.now)


def _verification(value: _Value) -> Any:
    return verification(value.now)


def _moment(value: _Value) -> Any:
    return moment(value.now if isinstance(value.now, datetime) else value.text(), "newer_than")


def _uri(value: _Value) -> Any:
    if not isinstance(value.now, str) or _names_nothing(value):
        raise _Unfit
    return s3_uri.canonical(value.now)


def _names_nothing(value: _Value) -> bool:
    """Return whether a template has left None for the bucket or the key of an S3 URI."""
    return value.is_rendered and s3_uri.is_s3_uri(value.now) and "None" in s3_uri.split(value.now)


def _keys(value: _Value) -> Any:
    now, written = value.now, value.written
    if isinstance(now, str | bytes | Mapping | S3Object) or not isinstance(now, Iterable):
        return _key(value)
    originals: Iterable[Any]
    if isinstance(written, set | frozenset):
        return [_key(value.part(each, each if _is_in(each, written) else _BY_DATA)) for each in now]
    elements = list(now)
    alike = isinstance(written, list | tuple) and len(written) == len(elements)
    originals = written if alike else repeat(_BY_DATA)
    return [_key(value.part(each, original)) for each, original in zip(elements, originals, strict=False)]


def _key(value: _Value) -> Any:
    now = value.now
    if value.is_nothing:
        raise _unfit_keys(f"bucket_key holds {_shown(now)}: an S3 object needs a key")
    if isinstance(now, S3Object):
        return now
    if isinstance(now, str):
        if _names_nothing(value):
            raise _unfit_keys(f"bucket_key rendered to {_shown(now)}")
        return now
    if not isinstance(now, Mapping):
        return value.text() if value.is_rendered else now  # whoever reads it says what is wrong with it
    written = value.written if isinstance(value.written, Mapping) else {}
    members = {name: value.part(member, written.get(name, _BY_DATA)) for name, member in now.items()}
    return {name: _member(name, member) for name, member in members.items() if not _is_left_out(name, member)}


def _is_left_out(name: Any, member: _Value) -> bool:
    return name in ("bucket", "version_id") and member.now is None and not member.is_rendered


def _member(name: Any, member: _Value) -> Any:
    if not member.is_rendered or name not in ("bucket", "key", "version_id"):
        return member.now
    try:
        if not member.is_nothing:
            return member.text()
    except _Unfit:
        pass
    raise _unfit_keys(f"{name} {_shown(member.now)} is given in a mapping of bucket_key")


def _unfit_keys(message: str) -> InvalidArgument:
    return InvalidArgument(message, remedy=_ARGUMENTS["bucket_key"].how)


def _upload(value: _Value) -> Any:
    if not isinstance(value.now, Mapping):
        raise _Unfit
    written = value.written if isinstance(value.written, Mapping) else {}
    return {name: _sent(name, value.part(each, written.get(name, _BY_DATA))) for name, each in value.now.items()}


def _sent(name: Any, value: _Value) -> Any:
    """Return a value that is sent with an upload; nothing would be sent as a header with the text of None."""
    if value.is_nothing:
        raise _Unfit
    if isinstance(value.now, Mapping):  # Metadata
        written = value.written if isinstance(value.written, Mapping) else {}
        return {key: _sent(key, value.part(each, written.get(key, _BY_DATA))) for key, each in value.now.items()}
    in_doubt = isinstance(value.now, int | float) and not isinstance(value.now, bool)
    return value.text() if value.is_rendered and in_doubt else value.now


@dataclass(frozen=True, slots=True)
class _Argument:
    """
    How one argument is read.

    :param read: returns the value in its type, or raises a ValueError.
    :param how: how to write it, one sentence.
    :param may_be_nothing: whether a template that renders to nothing means "not given".
    """

    read: Callable[[_Value], Any]
    how: str
    may_be_nothing: bool = False


_WHERE_TO_WRITE = "Give s3://bucket/key, file:///path or an absolute path, or write None in the DAG for none"
_ARGUMENTS = {
    "bucket_key": _Argument(
        _keys,
        "Give text: a key or s3://bucket/key, mappings of bucket, key and version_id, or a list of these; leave"
        " version_id out for the current version, and skip the task where there is nothing to name",
    ),
    "bucket_name": _Argument(
        _text,
        "Give text: the bucket's name, or leave bucket_name out of the DAG and give s3://bucket/key as bucket_key",
    ),
    "version_id": _Argument(
        _text,
        'Give text: a version id ("null" for one from before versioning), or leave version_id out of the DAG for the'
        " current version",
    ),
    "aws_conn_id": _Argument(
        _connection, "Give the id of an Airflow connection, or write None in the DAG for boto3's own credentials"
    ),
    "expected_bucket_owner": _Argument(
        _account, "Give the 12 digits of an AWS account id as text, or leave expected_bucket_owner out of the DAG"
    ),
    "region_name": _Argument(_region, "Give text, such as eu-west-1; nothing means the connection's", True),
    "verify": _Argument(
        _verification, "Give True, False or the path of a CA bundle, or write None in the DAG for the connection's"
    ),
    "inventory": _Argument(_uri, "Give text: s3://destination-bucket/prefix/source-bucket/configuration-id/"),
    "newer_than": _Argument(
        _moment, "Give a datetime with time zone, or its ISO 8601 text; nothing means any report", True
    ),
    "report_uri": _Argument(_uri, _WHERE_TO_WRITE),
    "failed_manifest_uri": _Argument(_uri, _WHERE_TO_WRITE),
    "extra_args": _Argument(
        _upload,
        'Give a mapping, such as {"ServerSideEncryption": "aws:kms"}, of texts, and leave out what is not to be sent',
    ),
}


def brought(name: str, now: Any, written: Any, as_text: Callable[[str], str] | None = None) -> Any:
    """
    Return a templated argument in its type; see the table of this module.

    :param name: the argument.
    :param now: its value, rendered or not.
    :param written: what the author of the DAG wrote; the value itself if it is not rendered.
    :param as_text: returns what a template renders to as text.
    :raises InvalidArgument: if the argument cannot take the value.
    """
    if now is None and written is None:
        return None
    argument, value = _ARGUMENTS[name], _Value(_real(now), written, as_text)
    verb = "rendered to" if value.is_rendered else "is"
    if value.is_nothing:
        if argument.may_be_nothing:
            return None
        detail = ": an S3 object needs a key" if name == "bucket_key" else ""
        raise InvalidArgument(f"{name} {verb} {_shown(value.now)}{detail}", remedy=argument.how)
    try:
        return argument.read(value)
    except InvalidArgument as error:
        if not value.is_rendered or name == "bucket_key":
            raise
        raise InvalidArgument(f"{name} {verb} {_shown(value.now)}", remedy=argument.how) from error
    except _Unfit as error:
        raise InvalidArgument(f"{name} {verb} {_shown(value.now)}", remedy=argument.how) from error


class Templated:
    """
    An operator or sensor that brings its templated arguments to their types.

    A base before Airflow's own. Each ``__init__`` ends with :meth:`_remember`, and whatever runs the task begins with
    :meth:`_bring_arguments`: rendering errors there end a task as all other errors do, in every mode.
    """

    template_fields: Any
    #: What the author wrote, by name of the argument.
    _written: Mapping[str, Any] = MappingProxyType({})

    def _remember(self) -> None:
        """Note what the author wrote; what a subclass adds may not be there yet."""
        self._written = {name: getattr(self, name) for name in self.template_fields if name in _ARGUMENTS}

    def _read(self, name: str) -> Any:
        """Return an argument in its type."""
        now = getattr(self, name)
        return brought(name, now, self._written.get(name, now))

    def _bring_arguments(self, context: Any) -> None:
        """
        Bring all templated arguments to their types.

        :param context: Airflow's context, which they were rendered with.
        :raises InvalidArgument: if one cannot take its value.
        """
        as_text = _Rendering(self, context)
        for name in self.template_fields:
            if name in _ARGUMENTS:  # and not what a subclass adds
                now = getattr(self, name)
                setattr(self, name, brought(name, now, self._written.get(name, now), as_text))

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Environment, seen_oids: set[int]
    ) -> None:
        """Render as Airflow does, and note what was there before. One of a mapped task's is rendered here only."""
        render: Any = super()._do_render_template_fields  # type: ignore[misc]
        if parent is not self:
            render(parent, template_fields, context, jinja_env, seen_oids)
            return
        now = {name: getattr(self, name) for name in template_fields}
        # Where there is nothing now, a template may have left it, in an earlier rendering.
        before = self._written
        written = {name: value for name, value in now.items() if value is not None or not is_template(before.get(name))}
        self._written = {**self._written, **written, **dict.fromkeys(_given_by_data(self), _BY_DATA)}
        render(parent, template_fields, context, jinja_env, seen_oids)
        self._render_what_is_left(template_fields, context, jinja_env)

    def _render_what_is_left(self, template_fields: Iterable[str], context: Any, jinja_env: Environment) -> None:
        """Render what renders to None, "" or False: Airflow 3.0 leaves such a template in its place."""
        for name in template_fields:
            now = getattr(self, name)
            if now is self._written.get(name) and is_template(now):
                setattr(self, name, self.render_template(now, context, jinja_env, set()))  # type: ignore[attr-defined]


class _Rendering:
    """What a task's templates render to as text, also in a DAG that renders to native objects."""

    def __init__(self, task: Any, context: Any) -> None:
        self._task = task
        self._context = context
        self._environment: Any = None

    def __call__(self, template: str) -> str:
        if self._environment is None:
            self._environment = self._task.get_template_env()
        return "".join(map(str, self._environment.from_string(template).generate(self._context)))


def _given_by_data(task: Any) -> set[str]:
    """Return the names of the arguments that other tasks gave to one of a mapped task's."""
    if not is_expanded(task):
        return set()
    mapped = task.dag.task_dict[task.task_id]
    expanded: Any = mapped.expand_input.value
    if isinstance(expanded, Mapping):  # expand(name=values, ...)
        return {name for name, values in expanded.items() if is_template(values)}
    given = set(getattr(task, "_BaseOperator__init_kwargs", ()))  # expand_kwargs(values)
    return given - set(mapped.partial_kwargs) - set(task.dag.default_args) if is_template(expanded) else set()


def _real(value: Any) -> Any:
    """Return what a lazy proxy stands for, such as those of Airflow's context."""
    return value if type(value) is value.__class__ else getattr(value, "__wrapped__", value)


def _is_undefined(value: Any) -> bool:
    from jinja2 import Undefined

    return isinstance(value, Undefined)


def _is_in(value: Any, written: Any) -> bool:
    try:
        return value in written
    except TypeError:  # of what cannot be in a set
        return False


def _shown(value: Any) -> str:
    return "an undefined name" if _is_undefined(value) else repr(value)[:200]
