"""Takes expressions of PromQL apart, as far as tests of rules need it. Knows no metric."""

from __future__ import annotations

import re

_WORDS = {"by", "without", "on", "ignoring", "and", "or", "unless", "offset", "bool"}
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_NOT_METRICS = re.compile(
    r"\{[^}]*\}|\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)|\[[^]]*\]"
)


def metrics_of(expression: str) -> set[str]:
    """Give the names in *expression* that are neither functions, labels, words nor texts."""
    bare = _NOT_METRICS.sub("", _TEXT.sub("", expression))
    return set(re.findall(r"\b[a-z_:][\w:]*\b(?!\s*\()", bare)) - _WORDS
