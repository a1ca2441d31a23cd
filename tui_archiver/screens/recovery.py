"""Screen 5: what the state files say, what the stores say, and what a rebuild would write."""

from __future__ import annotations

from textual.app import ComposeResult

from runarchive.archive import RecoveryKind, RecoveryPreview
from runarchive.keymap import Key
from tui_archiver.keys import bindings
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.screens.dialogs import ConfirmScreen
from tui_archiver.widgets.bars import OneLine
from tui_archiver.widgets.paint import fit
from tui_archiver.widgets.piece_list import Line, PieceList, line

KINDS = tuple(RecoveryKind)


class RecoveryScreen(ConsoleScreen):
    """The engine's preview as a table of before and after; applying is typed out."""

    CSS_PATH = styles_path("recovery.tcss")
    BINDINGS = bindings("recovery")
    scope = "recovery"
    title_word = "Recovery"
    about = (
        "The state files and the ledger are memory; the stores are the evidence. This asks the stores, shows "
        "what is written down beside what they say, and writes it when you type it out. The old files are "
        "kept beside."
    )

    def __init__(self) -> None:
        super().__init__()
        self._kind = 0
        self._preview: RecoveryPreview | None = None
        self._asked = False

    def body(self) -> ComposeResult:
        """Head and table."""
        yield OneLine(self.console_app.glyphs, id="recovery-head")
        yield PieceList(self.console_app.glyphs, id="recovery")

    @property
    def kind(self) -> RecoveryKind:
        """What would be rebuilt."""
        return KINDS[self._kind]

    def catch_up(self) -> None:
        """The first look is made at once."""
        if not self._asked:
            self.action_look()
        else:
            self._show()

    def action_look(self) -> None:
        """Ask the stores."""
        self._asked, self._preview = True, None
        kind = self.kind
        self._show("asking the stores …")
        self.fetch("preview", lambda: self.archive.recovery_preview(kind), self._loaded)

    def _loaded(self, preview: RecoveryPreview) -> None:
        if preview.kind is self.kind:
            self._preview = preview
            self._show()

    def fetch_failed(self, key: str, error: Exception) -> None:
        """Say it where one looks."""
        super().fetch_failed(key, error)
        self._show(str(error))

    def _show(self, word: str = "") -> None:
        preview = self._preview
        clean = self.console_app.glyphs.clean
        view = self.query_one("#recovery", PieceList)
        head = {"import": "import state", "migrate": "migrate state", "ledger": "the ledger"}[self.kind.value]
        differs = preview is not None and any(now != then for _, now, then in preview.lines)
        said = word or ("" if preview is None else "differs from the stores" if differs else "as the stores say")
        style = "warn" if differs or word else "good"
        left = [(f" Rebuild {head}", "strong"), (f"   {clean(said)}", style)]
        self.query_one("#recovery-head", OneLine).show(left)
        if preview is None:
            view.show([])
            return
        width = max(20, (view.size.width - 30) // 2)
        view.header_pieces = ((f"   {'VALUE':<26}{fit('WRITTEN DOWN NOW', width)} WHAT THE STORES SAY", ""),)
        lines: list[Line] = []
        for name, now, then in preview.lines:
            same = now == then
            lines.append(
                line(
                    ("   " if same else " * ", "warn"),
                    (fit(clean(name), 25) + " ", "strong"),
                    (fit(clean(now), width) + " ", "same" if same else "removed"),
                    (clean(then), "same" if same else "added"),
                    subject=name,
                )
            )
        for problem in preview.problems:
            lines += self.in_lines(f"! {clean(problem, 1000)}", "bad", "bad", 4)
        lines += [line((f"   {clean(note)}", "")) for note in preview.notes]
        lines += [line((f"   would write {clean(place)}", "dim")) for place in preview.writes]
        view.show(lines)

    def why_not(self, key: Key) -> str:
        """Applying needs a preview that differs."""
        if key.action == "apply":
            if self._preview is None:
                return "there is no preview yet"
            if not self._preview.differs:
                return "nothing differs from the stores"
        return super().why_not(key)

    def action_kind(self) -> None:
        """The next thing that can be rebuilt."""
        self._kind = (self._kind + 1) % len(KINDS)
        self.action_look()

    def action_apply(self) -> None:
        """Ask for the word, then write."""
        preview = self._preview
        if preview is None:
            return
        kind = preview.kind
        differing = [f"{name}: {now} -> {then}" for name, now, then in preview.lines if now != then]
        lines = [*differing[:30], *(f"writes {place}" for place in preview.writes), "The old files are kept beside."]

        def answered(yes: bool | None) -> None:
            if yes:
                self.console_app.effect(
                    f"recover {kind.value} --apply", lambda: self.archive.recovery_apply(kind), self._applied
                )
            else:
                self.console_app.say("recover: not done")

        question = f"Rebuild the {kind.value} {'ledger' if kind is RecoveryKind.LEDGER else 'state'} from the stores?"
        question = question.replace("the ledger ledger", "the ledger")
        self.app.push_screen(ConfirmScreen(question, lines, word=f"recover {kind.value}"), answered)

    def _applied(self, done: RecoveryPreview) -> None:
        self.console_app.say(f"recover {done.kind.value}: written; the old files are kept beside")
        self.action_look()

    def export_rows(self) -> Export:
        """Before and after."""
        lines = self._preview.lines if self._preview else ()
        return ("value", "written down", "stores"), list(lines)

    def copy_text(self) -> str:
        """The preview as text."""
        return self.query_one("#recovery", PieceList).text
