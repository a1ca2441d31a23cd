"""Where alarms and metrics go: a mail server, Slack, Carbon. Every call has a time limit."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from runarchive.config import Carbon, Email, Slack
from runarchive.notify.alarm import Alarm

if TYPE_CHECKING:
    import smtplib
    import ssl
    from email.message import EmailMessage

TIMEOUT_SECONDS = 10.0
CARBON_TIMEOUT_SECONDS = 2.0
SMTPS_PORT = 465


class SinkError(Exception):
    """An alarm could not be delivered; `lasting` where another try cannot help."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class AlarmSink(Protocol):
    """Somewhere an alarm is sent to."""

    name: str

    def send(self, alarm: Alarm) -> None:
        """Deliver it, or raise SinkError within the time limit."""
        ...


class EmailSink:
    """Mail over SMTP; TLS from the start on port 465, STARTTLS elsewhere (RFC 8314, RFC 3207)."""

    name = "e-mail"

    def __init__(self, config: Email, timeout: float = TIMEOUT_SECONDS) -> None:
        self._config = config
        self._timeout = timeout

    def send(self, alarm: Alarm) -> None:
        """Send one mail to all recipients."""
        import smtplib
        import ssl

        config = self._config
        message = self._message(alarm)
        place = f"{config.smtp_host}:{config.smtp_port}"
        try:
            with self._connect() as server:
                if config.smtp_user and config.smtp_password:
                    server.login(config.smtp_user, config.smtp_password)
                server.send_message(message)
        except ssl.SSLCertVerificationError as error:
            hint = "set reporting.email.smtp_ca_file, or smtp_verify: false"
            raise SinkError(f"mail server {place}: {error.verify_message} ({hint})") from error
        except smtplib.SMTPAuthenticationError as error:
            raise SinkError(f"mail server {place} refuses user and password") from error
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise SinkError(f"mail server {place}: {error}") from error

    def _message(self, alarm: Alarm) -> EmailMessage:
        from email.message import EmailMessage

        message = EmailMessage()
        message["Subject"] = alarm.subject
        message.set_content(alarm.body)
        addresses = {"From": "sender_email", "To": "recipient_email"}
        for header, key in addresses.items():
            try:
                message[header] = getattr(self._config, key) or ""
            except Exception as error:  # of bad addresses the standard library raises nearly anything
                raise SinkError(f"reporting.email.{key} is no address: {error}") from error
        return message

    def _connect(self) -> smtplib.SMTP:
        import smtplib

        config = self._config
        host = config.smtp_host or ""
        if config.smtp_use_tls and config.smtp_port == SMTPS_PORT:
            return smtplib.SMTP_SSL(host, config.smtp_port, timeout=self._timeout, context=self._context())
        server = smtplib.SMTP(host, config.smtp_port, timeout=self._timeout)
        if config.smtp_use_tls:
            try:
                server.starttls(context=self._context())
            except BaseException:
                server.close()
                raise
        return server

    def _context(self) -> ssl.SSLContext:
        import ssl

        ca_file = self._config.smtp_ca_file
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        if not self._config.smtp_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class SlackSink:
    """A message to a channel: `chat.postMessage` of Slack's Web API, with a bot token."""

    name = "Slack"

    def __init__(self, config: Slack, timeout: float = TIMEOUT_SECONDS) -> None:
        self._config = config
        self._timeout = timeout

    def send(self, alarm: Alarm) -> None:
        """Post one message."""
        import requests

        url = f"{self._config.api_url.rstrip('/')}/chat.postMessage"
        headers = {"Authorization": f"Bearer {self._config.bot_token}"}
        try:
            answer = requests.post(url, json=self.message(alarm), headers=headers, timeout=self._timeout)
            answer.raise_for_status()
            result: Any = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise SinkError(f"Slack does not answer: {type(error).__name__}") from error
        if not isinstance(result, dict) or not result.get("ok"):
            reason = result.get("error", "unknown") if isinstance(result, dict) else "unknown"
            raise SinkError(f"Slack refuses the message: {reason}", lasting=True)

    def message(self, alarm: Alarm) -> dict[str, Any]:
        """The message as Slack's Web API takes it."""
        users = (user.strip() for user in (self._config.mention_users or "").split(","))
        mentions = "".join(f" <@{user}>" for user in users if user)
        title = f"Run Record Archiver {alarm.title} Failures"
        fields = {"Host": alarm.host, "Time": alarm.at, "Stage": alarm.title, "Failed Runs": str(len(alarm.runs))}
        return {
            "channel": self._config.channel,
            "text": f"{title}: {len(alarm.runs)} runs failed on {alarm.host}{mentions}",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": f"⚠️ {title}"}},
                {
                    "type": "section",
                    "fields": [{"type": "mrkdwn", "text": f"*{name}:*\n{value}"} for name, value in fields.items()],
                },
                {
                    "type": "section",
                    "text": {"type": "mrkdwn", "text": f"*Run Numbers:*\n{alarm.short_runs}{mentions}"},
                },
            ],
        }


class CarbonSink:
    """Metrics to Carbon's plain-text port: `name value time` a line."""

    name = "Carbon"

    def __init__(self, config: Carbon, timeout: float = CARBON_TIMEOUT_SECONDS) -> None:
        self._config = config
        self._timeout = timeout

    def post(self, lines: str) -> None:
        """Send what `lines` made, over a connection of its own. Raises SinkError."""
        place = (self._config.host or "", self._config.port)
        try:
            with socket.create_connection(place, timeout=self._timeout) as connection:
                connection.sendall(lines.encode("utf-8"))
        except OSError as error:
            raise SinkError(f"Carbon at {place[0]}:{place[1]}: {error}") from error

    def lines(self, values: Mapping[str, float], at: float) -> str:
        """These metrics with this time (seconds since 1970), under the config's prefix."""
        names = {name: re.sub(r"\s+", "_", f"{self._config.metric_prefix}.{name}") for name in values}
        return "".join(f"{names[name]} {value:.15g} {int(at)}\n" for name, value in values.items())
