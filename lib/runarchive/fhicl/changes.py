"""What FHiCL loses on its way: between a text and its document, and between a document and its export parsed again."""

from __future__ import annotations

from collections.abc import Iterator

from runarchive.errors import ArchiveError
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import FhiclError, parse
from runarchive.fhicl.printer import canonical
from runarchive.fhicl.source import INCLUDE_KEY


def changed_on_reimport(text: str | bytes) -> tuple[str, ...]:
    """Sentences that name every value, type, comment or name that differs when the export of a text is parsed again.

    Empty when the export stands for the document. What the library loses in the text itself is named too. Raises
    FhiclError when the text is refused to begin with.
    """
    document = parse(text)
    changes = [
        f"an #include takes away what follows it up to the next quote: {_short(part)}" for part in document.swallowed
    ]
    names = sum(_include_names(part) for _, part in document.data.items)
    if names < document.tree.source.includes:
        changes.append("an #include within a comment or a string is no include line: it changes what it stands in")
    try:
        export = canonical(text)
    except ArchiveError as error:
        return (*changes, error.message)
    if not export:
        return (*changes, "the export is empty: it holds no names, and cannot be imported again")
    try:
        again = parse(export)
    except FhiclError as error:
        return (*changes, f"the export is refused on import: {error.message}")
    changes.extend(_differences(document.data, again.data, "", "value"))
    changes.extend(_differences(document.metadata, again.metadata, "", "metadata"))
    return tuple(change.replace(".children.", ".") for change in changes)


def _include_names(value: Value) -> int:
    if isinstance(value, Pairs):
        return sum(name.startswith(INCLUDE_KEY) + _include_names(item) for name, item in value.items)
    return sum(map(_include_names, value)) if isinstance(value, list) else 0


def _differences(before: Value, after: Value, path: str, what: str) -> Iterator[str]:
    if isinstance(before, Pairs) and isinstance(after, Pairs):
        yield from _table_differences(before, after, path, what)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{path}: {len(before)} elements become {len(after)}"
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from _differences(one, other, f"{path}[{number}]", what)
    elif before != after:
        yield f"{path}: {what} {_short(before)} becomes {_short(after)}"


def _table_differences(before: Pairs, after: Pairs, path: str, what: str) -> Iterator[str]:
    if list(before) == list(after):
        for (name, one), (_, other) in zip(before.items, after.items, strict=True):
            yield from _differences(one, other, f"{path}.{name}" if path else name, what)
        return
    where = path or "the document"
    lost = [name for name in before if name not in after]
    gained = [name for name in after if name not in before]
    if lost:
        yield f"{where}: lost {', '.join(lost)}"
    if gained:
        yield f"{where}: gained {', '.join(gained)}"
    if not lost and not gained:
        yield f"{where}: the order or the number of equal names changes"
    for name in before:
        if name in after:
            yield from _differences(before.get(name), after.get(name), f"{path}.{name}" if path else name, what)


def _short(value: Value) -> str:
    if isinstance(value, Pairs):
        return "a table"
    if isinstance(value, list):
        return "a sequence"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…'"
