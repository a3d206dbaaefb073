"""Patterns of ``like``, ``ilike``, ``match`` and ``imatch``, matched by RE2: no pattern takes more than linear time.

PostgreSQL's regular expressions and RE2's mean the same where only what both have is used. The rest is refused: what
only one of them has, and what they understand differently, such as the letter for a word's boundary.
"""

import re
from collections.abc import Callable, Iterator

from pgrest.errors import Code, RefusedError

_LONGEST = 1000
"""Characters of a pattern. RE2's time is the product of pattern and text where its automaton becomes too large."""

_COMMON = re.compile(
    r"""(?: \\[AdDsSwWnrtfv]                         # what both call by the same letter
          | \\[^A-Za-z0-9_\s]                         # any other character that is no letter, as itself
          | \[ \^? \]? (?: \[:(?:alpha|digit|alnum|upper|lower|space|blank|punct|print|graph|cntrl|xdigit):\]
                         | \\[dswnrtfv] | \\[^A-Za-z0-9_\s] | [^\]\[\\] )* \]
          | \( (?: \?: | (?!\?) )
          | [*+?] (?: \? | (?![*+?{]) ) | \{ [0-9]{1,3} (?: , [0-9]{0,3} )? \} (?: \? | (?![*+?{]) )
          | [^\\\[({*+?]
        )*""",
    re.VERBOSE | re.DOTALL,
)

Matcher = Callable[[str], bool]


def like(pattern: str, *, ignore_case: bool = False) -> Matcher:
    """Make what tells whether a text is like a pattern: ``*`` and ``%`` stand for any run, ``_`` for one character.

    Raises
    ------
    RefusedError
        The pattern ends with a backslash, which escapes nothing, or is too long.
    """
    _check_length(pattern)
    pattern = pattern.replace("*", "%")
    matches = _compile("".join(_like_pieces(_lower(pattern) if ignore_case else pattern)), "fullmatch")
    return (lambda text: matches(_lower(text))) if ignore_case else matches


def regular_expression(pattern: str, *, ignore_case: bool = False) -> Matcher:
    """Make what tells whether a regular expression is found in a text.

    Raises
    ------
    RefusedError
        It is none, is too long, or uses what is not served.
    """
    _check_length(pattern)
    if not _COMMON.fullmatch(pattern):
        raise RefusedError(
            Code.REGULAR_EXPRESSION,
            f"invalid or unsupported regular expression: {pattern[:80]}",
            hint="No back references, look-around, options or word boundaries; classes as in [[:alpha:]] and \\d.",
        )
    return _compile(f"(?i){pattern}" if ignore_case else pattern, "search")


def _check_length(pattern: str) -> None:
    if len(pattern) > _LONGEST:
        raise RefusedError(Code.SYNTAX, f"a pattern has {_LONGEST} characters at most")


def _like_pieces(pattern: str) -> Iterator[str]:
    import re2

    characters = iter(pattern)
    for character in characters:
        match character:
            case "%":
                yield ".*"
            case "_":
                yield "."
            case "\\":
                escaped = next(characters, None)
                if escaped is None:
                    raise RefusedError(Code.ESCAPE, "LIKE pattern must not end with escape character")
                yield re2.escape(escaped)
            case _:
                yield re2.escape(character)


def _compile(pattern: str, method: str) -> Matcher:
    from jobruns.table import compile_pattern

    try:
        # In both a dot is any character, a line's end too.
        search = getattr(compile_pattern(f"(?s){pattern}"), method)
    except ValueError as error:
        raise RefusedError(Code.REGULAR_EXPRESSION, f"invalid regular expression: {error}") from None
    return lambda text: search(text) is not None


def _lower(text: str) -> str:
    """Lower a text's letters one by one, so that none becomes two and a sigma is the same wherever it stands."""
    if text.isascii():
        return text.lower()
    return "".join(lowered if len(lowered := letter.lower()) == 1 else letter for letter in text)
