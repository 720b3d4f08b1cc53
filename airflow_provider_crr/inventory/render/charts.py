"""Bars as inline SVG, without a script. Widths are in percent, so that they fit any screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_crr.inventory.render.findings import Part
from airflow_provider_crr.inventory.render.markup import Markup, element
from airflow_provider_crr.inventory.summary import Volume
from airflow_provider_crr.text.humanize import count, share, size

#: The least width of a part that is not 0, in percent of the bar.
LEAST = 0.8
#: The least width in the small bars of single prefixes.
LEAST_SMALL = 1.6
#: From the first width on, in percent, a part has its label inside the bar; from the second one on, also on a small
#: screen.
LABELLED, LABELLED_WHEN_SMALL = 16.0, 45.0


def widths(values: Sequence[int], least: float = LEAST) -> list[float]:
    """
    Return how wide to draw each value, in percent. The widths add up to 100, or to 0 if all values are 0.

    :param values: the parts.
    :param least: the least width of a part that is not 0. Wider parts make room for it.
    """
    whole = sum(values)
    if not whole:
        return [0.0 for _ in values]
    small = {index for index, value in enumerate(values) if 0 < value * 100 < least * whole}
    while True:
        room = 100 - least * len(small)
        rest = sum(value for index, value in enumerate(values) if index not in small)
        drawn = [least if index in small else value / rest * room for index, value in enumerate(values)]
        too_small = {index for index, width in enumerate(drawn) if 0 < width < least} - small
        if not too_small:
            return drawn
        small |= too_small


def measured(volume: Volume, by: str) -> int:
    """Return the number of objects or of bytes."""
    return volume.objects if by == "objects" else volume.bytes


def stacked(parts: Sequence[Part], by: str, *, height: int, scale: float = 100.0, labelled: bool = False) -> Markup:
    """
    Return the parts of a whole as one bar.

    :param parts: in the order in which they are drawn.
    :param by: ``"objects"`` or ``"bytes"``.
    :param height: in pixels.
    :param scale: how much of the available width the bar takes, in percent. It takes more if its parts need it.
    :param labelled: whether it is a large bar, with name and share in its wide parts.
    """
    values = [measured(part.volume, by) for part in parts]
    whole = sum(values)
    least = LEAST if labelled else LEAST_SMALL
    scale = max(scale, least * sum(value > 0 for value in values))
    drawn = widths(values, least * 100 / scale)
    segments, start = [], 0.0
    for part, value, width in zip(parts, values, drawn, strict=True):
        if width:
            label = f"{part.name} {share(value, whole)}" if labelled and width >= LABELLED else ""
            segments.append(_segment(part, start * scale / 100, width * scale / 100, label, labelled))
            start += width
    return _svg("bar", height, f"By {by}: {_spoken(parts, by)}", segments)


def single(kind: str, value: int, largest: int, *, height: int, label: str) -> Markup:
    """
    Return one value as a bar that is compared with others.

    :param kind: the kind of part that it looks like, see :class:`.Part`.
    :param value: the value, which is its length.
    :param largest: the value that takes the whole width.
    :param height: in pixels.
    :param label: the value in words.
    """
    width = max(LEAST, 100 * value / largest) if value and largest else 0.0
    rect = element("rect", width=f"{width:.3f}%", height="100%", class_=f"fill-{kind}")
    return _svg("bar", height, label, [rect] if width else [])


def swatch(kind: str) -> Markup:
    """Return a small square with the colour and pattern of a status."""
    square = element("rect", width="100%", height="100%", class_=f"fill-{kind}")
    return element("svg", square, class_="swatch", width=14, height=14, aria_hidden="true")


def patterns() -> Markup:
    """Return the patterns that tell statuses apart without colour. A page needs them once."""
    drawn = {
        "failed": (7, "M-1,1 l2,-2 M0,7 l7,-7 M6,8 l2,-2"),
        "pending": (6, "M3,2 v2"),
        "none": (6, "M0,3 h6"),
        "other": (6, "M0,0 l6,6 M0,6 l6,-6"),
    }
    made = (
        element(
            "pattern",
            element("rect", width=step, height=step, class_=f"base-{kind}"),
            element("path", d=path, class_=f"mark-{kind}"),
            id=f"pattern-{kind}",
            width=step,
            height=step,
            patternUnits="userSpaceOnUse",
        )
        for kind, (step, path) in drawn.items()
    )
    return element("svg", element("defs", made), class_="defs", width=0, height=0, aria_hidden="true")


def _svg(class_: str, height: int, label: str, children: Iterable[Markup]) -> Markup:
    return element("svg", children, class_=class_, width="100%", height=height, role="img", aria_label=label)


def _segment(part: Part, x: float, width: float, label: str, large: bool) -> Markup:
    volume = part.volume
    small = "wide" if width >= LABELLED_WHEN_SMALL else "narrow"
    return element(
        "svg",
        element("title", f"{part.name}: {count(volume.objects)} objects, {size(volume.bytes)}"),
        element("rect", width="100%", height="100%", class_=f"fill-{part.kind}"),
        element("rect", width=2 if large else 1, height="100%", class_="edge") if x else None,
        element("text", label, x=10, y="50%", class_=f"on-{part.kind} {small}") if label else None,
        x=f"{x:.3f}%",
        width=f"{width:.3f}%",
        height="100%",
    )


def _spoken(parts: Sequence[Part], by: str) -> str:
    whole = sum(measured(part.volume, by) for part in parts)
    words = size if by == "bytes" else count
    return ", ".join(
        f"{part.name} {words(measured(part.volume, by))} ({share(measured(part.volume, by), whole)})" for part in parts
    )
