"""Values of templated arguments after rendering, each beside what the author of the DAG wrote in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_crr.s3 import objects as s3_uri
from airflow_provider_crr.tasks.arguments import is_template

#: Stands in the place of what the author wrote, where other tasks gave the value.
BY_DATA = object()


class Unfit(ValueError):
    """A value that its argument cannot take."""


@dataclass(frozen=True, slots=True)
class Value:
    """
    A value that is to be brought to its type.

    :param now: the value, rendered or not.
    :param written: what the author wrote in its place.
    :param as_text: returns what a template of the author's renders to as text; None if nothing can render it.
    """

    now: Any
    written: Any
    as_text: Callable[[str], str] | None = None

    @property
    def is_rendered(self) -> bool:
        """Whether it is not what the author wrote."""
        if self.now is self.written:
            return False
        return not (isinstance(self.now, str) and isinstance(self.written, str) and self.now == self.written)

    @property
    def is_nothing(self) -> bool:
        """Whether it was rendered to nothing."""
        if isinstance(self.now, str):
            return self.is_rendered and self.now.strip() in ("", "None")
        return self.is_rendered and (self.now is None or is_undefined(self.now))

    def text(self) -> str:
        """Return it as text, if there is no doubt which text was meant."""
        if isinstance(self.now, str):
            return self.now
        if not self.is_rendered:
            raise Unfit
        if isinstance(self.written, str):
            spelled = self.written if self.as_text is None and not is_template(self.written) else self._spelled()
            if spelled == self.written:  # no template: native rendering has read the author's own text
                return spelled
            if spelled not in (None, str(self.now)):
                raise Unfit
        if isinstance(self.now, bool) or not isinstance(self.now, int):
            raise Unfit
        return str(self.now)

    def _spelled(self) -> str | None:
        return self.as_text(self.written) if self.as_text else None

    def part(self, now: Any, written: Any) -> Value:
        """Return a value that is a part of this one."""
        return Value(resolved(now), written, self.as_text)


def resolved(value: Any) -> Any:
    """Return what a lazy proxy stands for, such as those in Airflow's context; anything else as it is."""
    return value if type(value) is value.__class__ else getattr(value, "__wrapped__", value)


def is_undefined(value: Any) -> bool:
    """Return whether a value is what Jinja makes of a name that nobody defined."""
    from jinja2 import Undefined

    return isinstance(value, Undefined)


def names_nothing(value: Value) -> bool:
    """Return whether a template has left None for the bucket or the key of an S3 URI."""
    return value.is_rendered and s3_uri.is_s3_uri(value.now) and "None" in s3_uri.split(value.now)


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    return "an undefined name" if is_undefined(value) else repr(value)[:200]


def outlined(value: Any) -> str:
    """Return a value that may hold a secret as a message shows it: the names of a mapping, and the types of values."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{shown(name)}: {outlined(each)}' for name, each in value.items())}}}"[:200]
    nothing = value is None or is_undefined(value) or (isinstance(value, str) and value.strip() in ("", "None"))
    return shown(value) if nothing else f"<{type(value).__name__}>"
