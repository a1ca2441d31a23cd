"""The values of one config file while it is read: expansion, origins, problems and warnings."""

from __future__ import annotations

import difflib
import stat
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runarchive.config.expand import ExpansionError, expand
from runarchive.config.keys import FALSE_WORDS, Key
from runarchive.config.sections import redact_uri
from runarchive.config.tree import Mapping, Node, Scalar, Sequence, read_tree

OLD_REPORTING_KEYS = {
    "send_email_on_error": "enabled",
    "recipient_email": "recipient_email",
    "sender_email": "sender_email",
    "smtp_host": "smtp_host",
    "smtp_port": "smtp_port",
    "smtp_use_tls": "smtp_use_tls",
    "smtp_user": "smtp_user",
    "smtp_password": "smtp_password",
}
OLD_REPORTING_DEFAULTS = {"smtp_port": "587", "smtp_use_tls": "true"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from, and how it may be shown (a secret is not)."""

    source: str
    shown: str


class Values:
    """One config file being read; every fault is collected, none raised."""

    def __init__(self, text: str, environment: MappingType[str, str]) -> None:
        """Parse the text. Raises `yaml.YAMLError`."""
        root, twice = read_tree(text)
        self.environment = environment
        self.problems: list[str] = []
        self.warnings: list[str] = list(twice)
        self.origins: dict[str, Origin] = {}
        self._defaults: dict[str, str] = {}
        self._secrets: set[str] = set()
        self.empty = root is None or not root.items
        self._root = root if root is not None else Mapping({}, 1)
        self._known: set[str] = set()
        self._faulty: set[str] = set()
        self._expanding: list[str] = []

    def declare(self, section: str, keys: MappingType[str, tuple[Key, Any]]) -> None:
        """Make the keys of a section known: which are secret, and the defaults of those the file leaves out."""
        for word, (declared, default) in keys.items():
            if declared.secret:
                self._secrets.add(f"{section}.{word}")
            if declared.template is not None or default is not None:
                self._defaults[f"{section}.{word}"] = declared.template or str(default)

    def problem(self, name: str, sentence: str) -> None:
        """Report a fault of a key."""
        self._faulty.add(name)
        place = self._find(name)
        where = f" (line {place.line})" if place is not None else ""
        self.problems.append(f"{name}{where}: {sentence}")

    def has_problem(self, name: str) -> bool:
        """Whether a fault of this key was reported already."""
        return name in self._faulty

    def warn(self, sentence: str) -> None:
        """Report something doubtful."""
        self.warnings.append(sentence)

    def require_section(self, name: str) -> None:
        """Report a section that is missing, or no table."""
        self._known.add(name)
        node = self._root.items.get(name)
        if node is None:
            self.problem(name, "this section is missing")
        elif not isinstance(node, Mapping):
            self.problem(name, "must be a table of keys")

    def is_table(self, name: str) -> bool:
        """Whether this key holds a table."""
        self._known.add(name)
        return isinstance(self._find(name), Mapping)

    def read(self, name: str, declared: Key, default: Any, *, quiet: bool = False) -> Any:
        """The value of a key, its default where the file says nothing, null or something faulty.

        A secret may stand in a file named by `<key>_file`. With `quiet`, faults are warnings.
        """
        self._known.add(name)
        section = name.rpartition(".")[0]
        if self._absent_required(section):
            return default
        try:
            text, source = self._text(name, declared)
            if text is None:
                if declared.required:
                    raise ValueError("is required (`tui-archiver config schema` tells what it means)")
                self._note(name, declared, default, "default")
                return default
            if declared.required and not text:
                raise ValueError(f"is empty{source and f' ({source})'}")
            value = declared.reader(text)
        except ValueError as error:
            self._fault(name, str(error), quiet)
            return default
        self._note(name, declared, value, source)
        return value

    def words(self, name: str) -> tuple[str, ...] | None:
        """The items of a list, or of one text split at commas; None where the file says nothing or null."""
        self._known.add(name)
        node = self._find(name)
        if node is None or (isinstance(node, Scalar) and node.text is None):
            return None
        if isinstance(node, Mapping):
            self.problem(name, "must be a list")
            return None
        items = node.items if isinstance(node, Sequence) else (node,)
        found: list[str] = []
        for item in items:
            if not isinstance(item, Scalar) or item.text is None:
                self.problem(name, "must be a list of words")
                continue
            try:
                found.extend(
                    self._expanded(name, item.text)[0].split(",")
                    if isinstance(node, Scalar)
                    else [self._expanded(name, item.text)[0]]
                )
            except ExpansionError as error:
                self.problem(name, str(error))
        self.origins[name] = Origin(f"line {node.line}", ", ".join(found))
        return tuple(word.strip() for word in found if word.strip())

    def names(self, name: str) -> tuple[str, ...] | None:
        """The keys of a table but those that are false, or the items of a list; None where the file says nothing."""
        node = self._find(name)
        if not isinstance(node, Mapping):
            return self.words(name)
        self.origins[name] = Origin(f"line {node.line}", ", ".join(node.items))
        off = {word for word, item in node.items.items() if isinstance(item, Scalar) and _is_false(item.text)}
        return tuple(word for word in node.items if word not in off)

    def table_or_words(self, name: str) -> tuple[tuple[str, str], ...] | None:
        """The entries of a table of texts, or each item of a list paired with itself; None for nothing."""
        self._known.add(name)
        node = self._find(name)
        if not isinstance(node, Mapping):
            words = self.words(name)
            return None if words is None else tuple((word, word) for word in words)
        entries = []
        for word, item in node.items.items():
            if isinstance(item, Scalar) and item.text is not None:
                entries.append((word, item.text))
            else:
                self.problem(name, f"{word} must be a text")
        self.origins[name] = Origin(f"line {node.line}", ", ".join(word for word, _ in entries))
        return tuple(entries)

    def move_old_reporting_keys(self) -> None:
        """Take the e-mail keys that once stood in `reporting` itself for those of `reporting.email`, and say so."""
        reporting = self._root.items.get("reporting")
        self._known.add("reporting")
        if not isinstance(reporting, Mapping) or "send_email_on_error" not in reporting.items:
            return
        self.warn(
            "DEPRECATED: e-mail keys directly in section reporting (send_email_on_error …);"
            " move them to reporting.email (send_email_on_error becomes enabled)"
        )
        self._known.update(f"reporting.{old}" for old in OLD_REPORTING_KEYS)
        email = reporting.items.get("email")
        if isinstance(email, Mapping) and email.items:
            return
        moved: dict[str, Node] = {
            new: reporting.items[old] for old, new in OLD_REPORTING_KEYS.items() if old in reporting.items
        }
        for word, text in OLD_REPORTING_DEFAULTS.items():
            moved.setdefault(word, Scalar(text, reporting.line))
        reporting.items["email"] = Mapping(moved, reporting.line)

    def warn_of_unknown_keys(self) -> None:
        """Warn of every key that nothing asked for, with the nearest known name."""
        sections = {name.rpartition(".")[0] for name in self._known if "." in name} | self._known
        for name, line in self._all_names(self._root, ""):
            if name in sections or any(
                name.startswith(f"{word}.") for word in ("fhiclize_generate", "validation.patterns")
            ):
                continue
            if name.rpartition(".")[0] not in sections | {""}:
                continue
            near = difflib.get_close_matches(name, sorted(sections), 1, 0.75)
            self.warn(f"line {line}: {name} is unknown and has no effect{f'; do you mean {near[0]}?' if near else ''}")

    def _absent_required(self, section: str) -> bool:
        node = self._find(section)
        return section in self._faulty or (
            node is not None and not isinstance(node, Mapping) and self._bad_section(section, node)
        )

    def _bad_section(self, section: str, node: Node) -> bool:
        if isinstance(node, Scalar) and node.text is None:
            return False
        self.problem(section, "must be a table of keys")
        return True

    def _text(self, name: str, declared: Key) -> tuple[str | None, str]:
        """The expanded text of a key and where it comes from."""
        node = self._find(name)
        if declared.secret:
            self._known.add(f"{name}_file")
            beside = self._find(f"{name}_file")
            if isinstance(beside, Scalar) and beside.text:
                if node is not None and not (isinstance(node, Scalar) and node.text is None):
                    raise ValueError(f"stands here and in {name}_file too; keep one")
                return self._secret(name, beside.text)
        if node is None or (isinstance(node, Scalar) and node.text is None):
            return self._expanded(name, declared.template)[0] if declared.template else None, "default"
        if not isinstance(node, Scalar):
            raise ValueError("must be one value, not a list or table")
        assert node.text is not None
        text, variables = self._expanded(name, node.text)
        return text, ", ".join([f"line {node.line}", *(f"${variable}" for variable in variables)])

    def _secret(self, name: str, file_name: str) -> tuple[str, str]:
        place = Path(self._expanded(f"{name}_file", file_name)[0]).expanduser()
        try:
            text = place.read_text(encoding="utf-8").rstrip("\r\n")
            if place.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
                self.warn(f"{name}_file: {place} can be read by other accounts; chmod 600 it")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"its file {place} cannot be read: {error}") from None
        return text, f"file {place}"

    def _expanded(self, name: str, text: str) -> tuple[str, tuple[str, ...]]:
        """The text of a key with every `${…}` replaced. Raises `ExpansionError`, for a circle too."""
        if name in self._expanding:
            circle = " → ".join([*self._expanding[self._expanding.index(name) :], name])
            raise ExpansionError(f"circular reference: {circle}")
        self._expanding.append(name)
        try:
            return expand(
                text,
                self.environment,
                lambda reference: self._referred(name, reference),
                lambda reference: self._unknown(name, reference),
            )
        finally:
            self._expanding.pop()

    def _unknown(self, name: str, reference: str) -> None:
        what = "a ${…} in it" if name in self._secrets else f"${{{reference}}}"
        sentence = f"{name}: {what} names no key, and stays as it is"
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def _referred(self, name: str, reference: str) -> str | None:
        """The text of the key that `${reference}` in key `name` means: in its own section, then in those around it."""
        section = name.rpartition(".")[0]
        while True:
            full = f"{section}.{reference}" if section else reference
            node = self._find(full)
            if isinstance(node, Scalar) and node.text is not None:
                self._known.add(full)  # a key that another one takes its value from has an effect
                return self._expanded(full, node.text)[0]
            if full in self._defaults:
                return self._expanded(full, self._defaults[full])[0]
            if not section:
                return None
            section = section.rpartition(".")[0]

    def _find(self, name: str) -> Node | None:
        node: Node | None = self._root
        for word in name.split("."):
            if not isinstance(node, Mapping):
                return None
            node = node.items.get(word)
        return node

    def _fault(self, name: str, sentence: str, quiet: bool) -> None:
        if quiet:
            self.warn(f"{name}: {sentence} (the section is switched off, so it does not matter now)")
        elif name not in self._faulty:
            self.problem(name, sentence)

    def _note(self, name: str, declared: Key, value: Any, source: str) -> None:
        if isinstance(value, str) and declared.kind in ("URI", "URL"):
            shown = redact_uri(value)
        elif declared.secret and value is not None:
            shown = "***"
        else:
            shown = "" if value is None else str(value)
        self.origins[name] = Origin(source, shown)

    def _all_names(self, node: Mapping, section: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for word, item in node.items.items():
            full = f"{section}.{word}" if section else word
            found.append((full, item.line))
            if isinstance(item, Mapping):
                found.extend(self._all_names(item, full))
        return found


def _is_false(text: str | None) -> bool:
    return text is not None and text.strip().lower() in FALSE_WORDS
