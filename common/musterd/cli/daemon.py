"""What starting either daemon has in common."""

import sys
from argparse import Namespace
from functools import partial
from importlib import import_module

# structlog imports rich wherever that is installed: 5 MB and 40 ms, which no daemon ever uses.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # how Python spells "not there"

import structlog

from musterd import log
from musterd.cli.arguments import settings_of
from musterd.errors import ConfigError
from musterd.settings.reload import keep_hangups
from musterd.settings.sources import Loaded


def run_daemon(module: str, args: Namespace) -> int:
    """Load the settings, set up the log, say what is odd, and call ``module.run``.

    It is given the settings, and a function that loads them anew from where they are from.
    """
    keep_hangups()  # a terminal that is closed, a script that wants a reload: too early to listen
    loaded = _load(module, args)
    log.configure(loaded.settings.log_level, loaded.settings.log_format)
    for warning in loaded.warnings:
        structlog.get_logger().warning("configuration doubtful", detail=warning)
    try:
        status: int = import_module(module).run(loaded.settings, partial(_load, module, args))
    finally:
        log.flush()
    return status


def _load(module: str, args: Namespace) -> Loaded:
    loaded = settings_of(args)
    if module.startswith("musterd_agent") and loaded.unfit_for_agents:
        raise ConfigError(loaded.unfit_for_agents[0])
    return loaded
