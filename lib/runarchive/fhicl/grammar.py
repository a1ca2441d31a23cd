"""The tokens of FHiCL as artdaq_database's patched fhicl-cpp takes them, one regular expression each.

Every expression is anchored by `match(text, place)`, works on one character a byte, and never backs out of what the
library's parser would have kept (hence the possessive quantifiers).
"""

from __future__ import annotations

import re

NIL = "nil"
BOOL = "bool"
NUMBER = "number"
COMPLEX = "complex"
STRING = "string"
UNQUOTED = "string_unquoted"
SINGLE = "string_singlequoted"
DOUBLE = "string_doublequoted"
SEQUENCE = "sequence"
TABLE = "table"
TABLE_ID = "tableid"
SCALARS = (NIL, BOOL, NUMBER, COMPLEX, UNQUOTED, SINGLE, DOUBLE, TABLE_ID)
"""The metadata types of values that are one string in `document.data`."""

# Visible characters less those that may follow a token of each kind.
_NO_END = r"(?![!-+\--\\^-|~])"
_NO_INFINITY_END = r"(?![!-(*+\--\\^-|~])"
_NO_NUMBER_END = r"(?![!\"$-(*+\-.0-\\^-|~])"
_NO_NAME_END = r"(?![!\"$-+\-0-9;-Z\\^-|~])"
_NO_WORD_END = r"(?![!\"$-+\-.0-\\^-|~])"

# Loops over alternatives that can fail half way are atomic, not possessive: before 3.11.5 Python does not go back to
# where such an alternative of a possessive loop began.
_SKIP = r"(?>(?:[ \t\n\v\f\r]++|\#[^\n\x80-\xff]*+\n|//[^\n\x80-\xff]*+\n)*)"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*+"
_DOTTED = rf"{_NAME}(?>(?:\.{_NAME})*)"
_NUMBER = (
    r"(?:(?:[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?|0[xX][0-9a-fA-F]++|0[bB][01]++)"
    rf"{_NO_NUMBER_END}|[-+]?infinity{_NO_INFINITY_END})"
)
_VALUE = rf"""(?:
  "((?:[^"\\\x80-\xff]++|\\"|\\)*+)"{_NO_END}
| ({_NUMBER})
| ((?:true|false){_NO_END})
| ({_NAME}{_NO_NAME_END}|[0-9][A-Za-z0-9_]*+{_NO_WORD_END})
| (\{{)
| (\[)
| '([^'\x80-\xff]*+)'{_NO_END}
| (@nil{_NO_END})
| (\()
| (!(?:local|db|id)::)
| ((?![0-9])[A-Za-z0-9_:.@]++{_NO_NAME_END})
)"""

SKIP = re.compile(_SKIP)
NAME = re.compile(_NAME + _NO_NAME_END)
INDEX = re.compile(r"[0-9]++" + _NO_NUMBER_END)
NUMBER_TOKEN = re.compile(_SKIP + "(" + _NUMBER + ")")
TABLE_ID_TOKEN = re.compile(r"[0-9a-fA-F]{40}+" + _NO_NUMBER_END)
VALUE = re.compile(rf"{_SKIP}()(?:{_VALUE})", re.VERBOSE)
"""A value: group 1 is empty, the others are as in `STATEMENT`."""
STATEMENT = re.compile(rf"{_SKIP}({_NAME}){_SKIP}:{_SKIP}{_VALUE}", re.VERBOSE)
"""`name: value` in a table: group 1 the name, one of the groups below the value."""
TOP_STATEMENT = re.compile(rf"{_SKIP}({_DOTTED}){_SKIP}:{_SKIP}{_VALUE}", re.VERBOSE)
"""The same outside tables, where names may be dotted."""

DOUBLE_GROUP = 2
NUMBER_GROUP = 3
BOOL_GROUP = 4
WORD_GROUP = 5
TABLE_GROUP = 6
SEQUENCE_GROUP = 7
SINGLE_GROUP = 8
NIL_GROUP = 9
COMPLEX_GROUP = 10
REFERENCE_GROUP = 11
OTHER_GROUP = 12

SCALAR_OF_GROUP = {
    DOUBLE_GROUP: DOUBLE,
    NUMBER_GROUP: NUMBER,
    BOOL_GROUP: BOOL,
    WORD_GROUP: UNQUOTED,
    SINGLE_GROUP: SINGLE,
    NIL_GROUP: NIL,
    OTHER_GROUP: UNQUOTED,
}
"""The metadata type of a scalar by the group that matched it."""

UNPRINTABLE = re.compile(r"[\x00-\x08\v\f\x0e-\x1f\x7f]")
"""Characters that no quoted string may hold; line ends are settled before, so CR cannot occur."""
GOOD_ESCAPES = re.compile(r"(?:[^\\]++|\\[\"'\\nt])*+")
"""A double-quoted string's content, if it matches to its end."""
EXTRA_SPACE = re.compile(r"[\v\f]*")
"""White space that the library leaves at the end of a bare token."""
