"""What a job tells whoever started it, as it happens; `run-archiver` writes its log lines from this."""

from __future__ import annotations

from runarchive.model import Failure, Stage


class JobObserver:
    """Told of each step of a job, by its worker threads; this one does nothing."""

    def planned(self, stage: Stage, runs: tuple[int, ...], remaining: int) -> None:
        """These runs are due in this stage, and `remaining` more beyond the limit."""

    def attempt_started(self, run: int, stage: Stage, attempt: int, attempts: int) -> None:
        """An attempt at a stage of a run starts, of at most `attempts`.

        It may raise ArchiveError, and the attempt then fails with it before any store is touched: made-up failures.
        """

    def run_done(self, run: int, stage: Stage, reason: str) -> None:
        """A stage of a run is done, read back and compared; `reason` says what is remarkable about it, or is empty."""

    def attempt_failed(
        self, run: int, stage: Stage, attempt: int, attempts: int, failure: Failure, retry_in: float | None
    ) -> None:
        """An attempt failed; it is tried again in `retry_in` seconds, or no more in this job where that is None."""

    def stopping(self, why: str) -> None:
        """The job was asked to stop; the runs in hand are finished."""

    def paused(self, stage: Stage, why: str) -> None:
        """A stage stands, because its store is out of reach or a disk is full."""

    def resumed(self, stage: Stage) -> None:
        """A stage goes on."""
