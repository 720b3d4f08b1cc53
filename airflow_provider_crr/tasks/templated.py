"""Tasks whose templated arguments are brought to their types once they are rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow_provider_crr.tasks.argument_types import ARGUMENTS, coerced
from airflow_provider_crr.tasks.arguments import is_expanded, is_template
from airflow_provider_crr.tasks.rendered_values import BY_DATA

if TYPE_CHECKING:
    from jinja2 import Environment


class Templated:
    """
    An operator or sensor that brings its templated arguments to their types.

    It is a base class before Airflow's own. Each ``__init__`` ends with :meth:`_remember`, and whatever runs the task
    begins with :meth:`_coerce_arguments`: there an argument that cannot work ends a task as every other error does,
    in every mode.
    """

    template_fields: Any
    #: What the author wrote, by name of the argument.
    _written: Mapping[str, Any] = MappingProxyType({})

    def _remember(self) -> None:
        """Note what the author wrote. Fields that a subclass adds are left out: they may not be set yet."""
        self._written = {name: getattr(self, name) for name in self.template_fields if name in ARGUMENTS}

    def _read(self, name: str) -> Any:
        """Return an argument in its type."""
        now = getattr(self, name)
        return coerced(name, now, self._written.get(name, now))

    def _coerce_arguments(self, context: Any) -> None:
        """
        Bring all templated arguments to their types.

        :param context: Airflow's context, which they were rendered with.
        :raises InvalidArgument: if one cannot take its value.
        """
        as_text = _Rendering(self, context)
        for name in self.template_fields:
            if name in ARGUMENTS:  # a subclass may add others
                now = getattr(self, name)
                setattr(self, name, coerced(name, now, self._written.get(name, now), as_text))

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Environment, seen_oids: set[int]
    ) -> None:
        """Render as Airflow does, and note what was there before. A mapped task's instance is rendered only here."""
        render: Any = super()._do_render_template_fields  # type: ignore[misc]
        if parent is not self:
            render(parent, template_fields, context, jinja_env, seen_oids)
            return
        now = {name: getattr(self, name) for name in template_fields}
        # None may be what an earlier rendering has left of a template.
        before = self._written
        written = {name: value for name, value in now.items() if value is not None or not is_template(before.get(name))}
        self._written = {**self._written, **written, **dict.fromkeys(given_by_data(self), BY_DATA)}
        render(parent, template_fields, context, jinja_env, seen_oids)
        self._render_what_is_left(template_fields, context, jinja_env)

    def _render_what_is_left(self, template_fields: Iterable[str], context: Any, jinja_env: Environment) -> None:
        """Render what renders to None, "" or False: Airflow 3.0 leaves such a template in its place."""
        for name in template_fields:
            now = getattr(self, name)
            if now is self._written.get(name) and is_template(now):
                setattr(self, name, self.render_template(now, context, jinja_env, set()))  # type: ignore[attr-defined]


class _Rendering:
    """Renders a task's templates to text, even in a DAG that renders to native objects."""

    def __init__(self, task: Any, context: Any) -> None:
        self._task = task
        self._context = context
        self._environment: Any = None

    def __call__(self, template: str) -> str:
        if self._environment is None:
            self._environment = self._task.get_template_env()
        return "".join(map(str, self._environment.from_string(template).generate(self._context)))


def given_by_data(task: Any) -> set[str]:
    """Return the names of the arguments that other tasks gave to this one, if it was expanded from a mapped task."""
    if not is_expanded(task):
        return set()
    mapped = task.dag.task_dict[task.task_id]
    expanded: Any = mapped.expand_input.value
    if isinstance(expanded, Mapping):  # expand(name=values, ...)
        return {name for name, values in expanded.items() if is_template(values)}
    given = set(getattr(task, "_BaseOperator__init_kwargs", ()))  # expand_kwargs(values)
    return given - set(mapped.partial_kwargs) - set(task.dag.default_args) if is_template(expanded) else set()
