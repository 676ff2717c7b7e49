"""
Macros that nobody expanded: common in pixels, and neither a yes nor a no.
"""

import re

# Tags of ad servers, mail tools and templates, and what scripts make of nothing.
_ABSENT = re.compile(
    r"\$!?\{[^{}]*\}|\{\{[^{}]*\}\}|\[[^\[\]]*\]|%%[^%]*%%|undefined|null"
)


def is_absent(text: str | None) -> bool:
    """
    Tell whether a parameter says nothing: empty, or one unexpanded macro.

    The whole text must be such; a macro inside other text is rubbish, not absence.
    """
    if text is None:
        return True
    stripped = text.strip()
    return not stripped or _ABSENT.fullmatch(stripped) is not None
