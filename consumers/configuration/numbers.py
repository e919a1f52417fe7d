"""Numbers that settings have, within their bounds: each says what would be right when it is wrong.

Pure: values in, values or `ValueError` out. ``yes`` in YAML is true, and true is no number here.
"""

from __future__ import annotations

from pydantic import BeforeValidator


def whole(least: int, most: int | None = None) -> BeforeValidator:
    """Take a whole number from *least* to *most*, or any from *least* on."""
    said = f"from {least} to {most}" if most is not None else f"of {least} or more"

    def check(value: object) -> int:
        number = _number(value)
        if not number.is_integer() or number < least or (most is not None and number > most):
            raise ValueError(f"write a whole number {said}")
        return value if isinstance(value, int) else int(number)

    return BeforeValidator(check)


def part(*, above: bool) -> BeforeValidator:
    """Take a part of something, from 0, or with *above* from above 0, up to 1."""
    said = "above 0, up to 1, such as 0.5" if above else "from 0 to 1, such as 0.2"

    def check(value: object) -> float:
        number = _number(value)
        if not 0 <= number <= 1 or (above and number == 0):
            raise ValueError(f"write a number {said}")
        return number

    return BeforeValidator(check)


def _number(value: object) -> float:
    """Read *value*; what is no number is one that fits nowhere."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")
