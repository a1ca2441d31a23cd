"""Alarms and metrics: e-mail, Slack, Carbon. Trouble with them never touches the work."""

from __future__ import annotations

from runarchive.notify.alarm import Alarm
from runarchive.notify.notifier import Notifier
from runarchive.notify.sinks import AlarmSink, CarbonSink, EmailSink, SinkError, SlackSink

__all__ = ["Alarm", "AlarmSink", "CarbonSink", "EmailSink", "Notifier", "SinkError", "SlackSink"]
