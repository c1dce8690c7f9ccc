# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQL text told apart into literals, comments, names and the rest (PostgreSQL's manual, 4.1 Lexical Structure).

Enough to mask literals and to find where a statement ends; it is no parser. Strings are read as with
`standard_conforming_strings = on`, the default since PostgreSQL 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LITERAL = "literal"
COMMENT = "comment"
NAME = "name"
OTHER = "other"
MASK = "'***'"

# What is not closed goes on to the end of the text. The order matters: E'...' and $tag$ look like the beginning of a name.
_TOKENS = re.compile(
    r"""(?P<literal> [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)
                   | '(?:[^']|'')*(?:'|\Z)
                   | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z) )
      | (?P<comment> --[^\r\n]* | /\* )
      | (?P<name> "(?:[^"]|"")*(?:"|\Z) | [^\W\d][\w$]* )
      | (?P<other> \$\d+ | \d[\w.]* | \s+ | . )""", re.VERBOSE | re.DOTALL)
_COMMENT_EDGES = re.compile(r"/\*|\*/")


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a text in their order, each with its kind; joined they are the text."""
    position = 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise ValueError(f"nothing fits at {position}")  # never: `other` takes any character
        end = _comment_end(text, position) if match.group() == "/*" else match.end()
        yield str(match.lastgroup), text[position:end]
        position = end


def masked(text: str) -> str:
    """The text with each string literal replaced, so that no secret is left in it."""
    return "".join(MASK if kind == LITERAL else part for kind, part in tokens(text))


def _comment_end(text: str, begin: int) -> int:
    """Where a comment ends that begins with /*; such comments nest."""
    depth = 0
    for edge in _COMMENT_EDGES.finditer(text, begin):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
