"""What starting either daemon has in common."""

import sys
from argparse import Namespace
from importlib import import_module

# structlog imports rich wherever that is installed: 5 MB and 40 ms, which no daemon ever uses.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # how Python spells "not there"

import structlog

from musterd import log
from musterd.cli.arguments import settings_of
from musterd.errors import ConfigError


def run_daemon(module: str, args: Namespace) -> int:
    """Load the settings, set up the log, say what is odd, and call ``module.run(settings)``."""
    loaded = settings_of(args)
    if module.startswith("musterd_agent") and loaded.unfit_for_agents:
        raise ConfigError(loaded.unfit_for_agents[0])
    log.configure(loaded.settings.log_level, loaded.settings.log_format)
    for warning in loaded.warnings:
        structlog.get_logger().warning("configuration doubtful", detail=warning)
    try:
        status: int = import_module(module).run(loaded.settings)
    finally:
        log.flush()
    return status
