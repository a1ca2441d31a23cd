"""The screens by the name of their keys' scope, in the order of their keys."""

from __future__ import annotations

from tui_archiver.screens.base import ConsoleScreen
from tui_archiver.screens.compare import CompareScreen
from tui_archiver.screens.doctor import DoctorScreen
from tui_archiver.screens.failures import FailuresScreen
from tui_archiver.screens.jobs import JobsScreen
from tui_archiver.screens.log import LogScreen
from tui_archiver.screens.recovery import RecoveryScreen
from tui_archiver.screens.runs import RunsScreen

SCREENS: dict[str, type[ConsoleScreen]] = {
    screen.scope: screen
    for screen in (RunsScreen, JobsScreen, FailuresScreen, CompareScreen, RecoveryScreen, LogScreen, DoctorScreen)
}
