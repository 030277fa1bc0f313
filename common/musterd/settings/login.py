"""The module finds the token by which commands ask a coordinator. Its file is read at each call."""

from pathlib import Path

from musterd.keyfiles import read_private
from musterd.settings.settings import Settings
from musterd.settings.sources import Loaded
from musterd.tokens import check_token


def token_of(loaded: Loaded) -> str | None:
    """Return the token that settings give, or that is in the file they name; None: neither.

    A file that the command line names goes first: what is typed holds. Raises ConfigError.
    """
    named_here = loaded.sources["token_file"].startswith("--")
    return token_in(loaded.settings, file_first=named_here)


def token_in(settings: Settings, *, file_first: bool = False) -> str | None:
    """Return the token of ``settings``, or that in the file they name; None: neither.

    Raises ConfigError.
    """
    if settings.token is not None and not file_first:
        return settings.token.strip()
    if settings.token_file is None:
        return None
    path = Path(settings.token_file).expanduser()
    return check_token(f"the token file {path}", read_private(path, "token file"))
