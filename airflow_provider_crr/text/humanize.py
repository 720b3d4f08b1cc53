"""Numbers, sizes, ages, shares and moments as people read them; used by logs, messages and reports."""

from __future__ import annotations

from datetime import UTC, datetime

#: Seconds since 1970 of the last day that a datetime knows.
_LAST_DAY = datetime(9999, 12, 31, tzinfo=UTC).timestamp()

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_AGES = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def count(n: int) -> str:
    """Return a number with its thousands apart: ``1,234,567``."""
    return f"{n:,}"


def size(bytes: int) -> str:
    """
    Return a number of bytes in the largest fitting binary unit: ``12.3 GiB``.

    :param bytes: how many; below 1 KiB they are written out.
    """
    if abs(bytes) < 1024:
        return f"{bytes:,} B"
    value = float(bytes)
    for unit in _UNITS:
        value /= 1024
        if abs(value) < 1023.95:  # 1,023.96 would be rounded to 1,024.0
            return f"{value:,.1f} {unit}"
    return f"{value:,.1f} {_UNITS[-1]}"


def age(seconds: float) -> str:
    """
    Return a time span in its two largest units: ``42s``, ``3m12s``, ``2d4h``, ``412d``.

    :param seconds: how long. Below zero counts as zero: what was written after a listing began is new.
    """
    rest = max(0, int(seconds))
    for index, (unit, length) in enumerate(_AGES):
        if rest >= length:
            whole, rest = divmod(rest, length)
            if index + 1 == len(_AGES) or whole >= 100:
                return f"{whole:,}{unit}"
            next_unit, next_length = _AGES[index + 1]
            part = rest // next_length
            return f"{whole}{unit}{part}{next_unit}" if part else f"{whole}{unit}"
    return "0s"


def share(part: int, whole: int) -> str:
    """
    Return a part of a whole in percent: ``99.2 %``.

    Rounded down, so that neither "all" nor "none" is ever claimed of anything else: ``100 %`` means every single
    one and ``0 %`` means not one.

    :param part: how many.
    :param whole: of how many; of nothing there is no share, ``n/a``.
    """
    if whole <= 0:
        return "n/a"
    if part in (0, whole):
        return "0 %" if part == 0 else "100 %"
    hundredths = part * 10_000 // whole
    if hundredths == 0:
        return "< 0.01 %"
    if part * 10_000 > whole * 9_999:
        return "> 99.99 %"
    if 100 <= hundredths < 9_900:
        return f"{hundredths // 10 / 10:.1f} %"
    return f"{hundredths / 100:.2f} %"


def moment_of(timestamp: float) -> datetime:
    """
    Return a moment, UTC. After the calendar, such as at the end of a very long timeout, it is the calendar's last day.

    :param timestamp: seconds since 1970.
    """
    return datetime.fromtimestamp(min(timestamp, _LAST_DAY), UTC)


def utc_text(moment: datetime) -> str:
    """Return a moment as S3 writes it: ISO 8601, whole seconds, ``Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
