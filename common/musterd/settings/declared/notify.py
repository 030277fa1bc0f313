"""The module declares the options of what tells whoever is on duty."""

import shlex
from urllib.parse import urlsplit

from musterd.settings.options import DAY, FILE, Option, Role, Seconds, Text

SHORTEST_KEY = 16


def check_url(text: str) -> str:
    """Return ``text`` itself if it is a URL to send to; else raise ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("no URL to send to")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("no URL to send to")
    return text


def check_urls(text: str) -> str:
    """Return ``text`` itself if it is such URLs with commas between; else raise ValueError."""
    for url in text.split(","):
        check_url(url.strip())
    return text


def check_command(text: str) -> str:
    """Return ``text`` itself if it is a command and its words; else raise ValueError."""
    if not shlex.split(text):
        raise ValueError("no command")
    return text


def check_key(text: str) -> str:
    """Return ``text`` itself if it is long enough for a key; else raise ValueError."""
    if len(text) < SHORTEST_KEY or not text.isascii() or not text.isprintable():
        raise ValueError(f"a key is {SHORTEST_KEY} characters or more, as of: openssl rand -hex 32")
    return text


WEBHOOK = Option(
    "The URL that each message is sent to, as JSON by POST.",
    Text("an http:// or https:// URL", "URL", check_url),
    "https://pager.example.org/hooks/musterd",
    Role.NOTIFY,
    when_unset="none",
    flag_name="webhook",
    secret=True,
)

EXEC = Option(
    "The command that is started for each message, without a shell: it reads the message, JSON, from its"
    " standard input, gets the event as its last word, and has taken it if it ends with 0 within 30 s.",
    Text("a command and its words", "CMD", check_command),
    "/usr/local/bin/page-me --urgent",
    Role.NOTIFY,
    when_unset="none",
    flag_name="exec",
)

ALERTMANAGER = Option(
    "The Alertmanagers that get each incident as an alert; all of a cluster, with commas between.",
    Text("http:// or https:// URLs with commas between", "URL", check_urls),
    "http://alertmanager-1:9093,http://alertmanager-2:9093",
    Role.NOTIFY,
    when_unset="none",
    flag_name="alertmanager",
    secret=True,
)

KEY_FILE = Option(
    "The file with the key by which a webhook knows who sent a message, 16 characters or more in one line;"
    " its owner alone may read it.",
    FILE,
    "/etc/musterd/webhook.key",
    Role.NOTIFY,
    when_unset="none: messages are not signed",
    flag_name="webhook-key-file",
)

KEY = Option(
    "That key itself, for the environment.",
    Text("16 characters or more", "KEY", check_key),
    "8c1d4f0a2b7e96533f1e0d7c4a5b6988",
    Role.NOTIFY,
    when_unset="none",
    private=True,
)

NOTIFY_CA_FILE = Option(
    "The authorities that must have signed the certificate of the webhook or Alertmanager, in PEM.",
    FILE,
    "/etc/ssl/certs/pager-ca.crt",
    Role.NOTIFY,
    when_unset="those that the system trusts",
    flag_name="webhook-ca-file",
)

HEARTBEAT = Option(
    "Seconds between two messages that say that this runs and reaches the endpoint, so that its silence"
    " is noticed there.",
    Seconds(10, DAY),
    "300",
    Role.NOTIFY,
    when_unset="none are sent",
    flag_name="heartbeat",
)

STATE = Option(
    "The file that keeps what was told, so that nothing is told twice after a restart.",
    FILE,
    "/var/lib/musterd-notify/musterd-notify.json",
    Role.NOTIFY,
    when_unset="musterd-notify.json in the folder that it runs in",
    flag_name="state-file",
)
