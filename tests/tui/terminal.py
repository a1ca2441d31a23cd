"""A real terminal for the tests: tmux on a socket of its own, keys in, the screen as text out."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE = 30.0


class Terminal:
    """One tmux session of a given size; `wait_for` is the only way to wait."""

    def __init__(self, home: Path, columns: int = 80, lines: int = 24) -> None:
        self._socket = f"tui-archiver-{os.getpid()}-{home.name}"[-80:]
        self._home = home
        self._size = ("-x", str(columns), "-y", str(lines))

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=False)
        return done.stdout

    def start(self, words: Sequence[str], environment: dict[str, str] | None = None) -> None:
        """Run a command in the terminal; when it ends, its exit status is shown and the session stays."""
        settings = {"TERM": "xterm-256color", "XDG_STATE_HOME": str(self._home / "state"), "LANG": "C.UTF-8"}
        settings |= {"XDG_CONFIG_HOME": str(self._home / "config"), **(environment or {})}
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
        line = f"cd {shlex.quote(str(self._home))}; env {exports} {shlex.join(words)}; echo EXIT $?; exec cat"
        self._tmux("-f", "/dev/null", "new-session", "-d", *self._size, "-s", "main", line)

    def press(self, *keys: str) -> None:
        """Send keys, as tmux names them."""
        self._tmux("send-keys", "-t", "main", *keys)

    def type(self, text: str) -> None:
        """Send a text letter by letter."""
        self._tmux("send-keys", "-t", "main", "-l", text)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are, text or not."""
        self._tmux("send-keys", "-t", "main", "-H", *(f"{byte:02x}" for byte in data))

    def screen(self) -> str:
        """What is on the screen now."""
        return self._tmux("capture-pane", "-p", "-t", "main")

    def colours(self) -> set[str]:
        """The colours on the screen, as the numbers that select them (39 and 49: the terminal's own)."""
        painted = self._tmux("capture-pane", "-e", "-p", "-t", "main")
        numbers = {part for codes in re.findall(r"\x1b\[([\d;]*)m", painted) for part in codes.split(";")}
        return {number for number in numbers if number and int(number) >= 30}

    def wait_for(self, pattern: str, patience: float = PATIENCE) -> str:
        """Wait until a regular expression is found on the screen, and return the screen."""
        return self.wait_until(lambda seen: re.search(pattern, seen, re.M), patience, pattern)

    def wait_until(self, holds: Callable[[str], object], patience: float = PATIENCE, what: str = "it") -> str:
        """Wait until something holds for what is on the screen, and return the screen."""
        end = time.monotonic() + patience
        while not holds(seen := self.screen()):
            assert time.monotonic() < end, f"{what!r} never came up on\n{seen}"
            time.sleep(0.05)
        return seen

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self._tmux("resize-window", "-t", "main", "-x", str(columns), "-y", str(lines))

    def console_pid(self) -> int:
        """The process id of the Python that the terminal runs."""
        pane = self._tmux("display-message", "-p", "-t", "main", "#{pane_pid}").strip()
        done = subprocess.run(["ps", "--ppid", pane, "-o", "pid=,comm="], capture_output=True, text=True, check=True)
        return int(next(line.split()[0] for line in done.stdout.splitlines() if "cat" not in line))

    def hang_up(self) -> None:
        """Close the terminal under the program, as a lost line does."""
        self._tmux("kill-session", "-t", "main")

    def close(self) -> None:
        """End the session and its tmux."""
        self._tmux("kill-server")


def write_config(directory: Path, server_url: str) -> Path:
    """A config in `directory` on its own records, FilesystemDB and this server; a failed call is tried once."""
    config = directory / "config.yaml"
    config.write_text(
        f"""app:
  work_dir: {directory}/work
  parallel_workers: 2
  run_process_retries: 0
  retry_delay_seconds: 0.1
  quiet_seconds: 0
  settle_hours: 0
source_files:
  run_records_dir: {directory}/records
artdaq_db:
  database_uri: filesystemdb://{directory}/artdaqdb
  fcl_conf_dir: {directory}/conf
ucon_db:
  server_url: {server_url}
  folder_name: test01
  object_name: configuration
  writer_user: writer
  writer_password: secret-of-the-writer
  timeout_seconds: 5
"""
    )
    for name in ("work", "records", "conf"):
        (directory / name).mkdir(exist_ok=True)
    return config
