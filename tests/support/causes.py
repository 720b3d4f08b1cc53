"""What an error came of."""

from __future__ import annotations


def is_circular(error: BaseException) -> bool:
    """Return whether an error came of itself, as what prints it in full follows its causes."""
    passed: list[BaseException] = []
    each: BaseException | None = error
    while each is not None:
        if any(each is known for known in passed):
            return True
        passed.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return False
