"""The half of a driver that sweeps, and needs NumPy: imported when a coordinator asks for it."""

from importlib import import_module
from types import ModuleType

from musterd.errors import ConfigError


def coordinator_module(name: str) -> ModuleType:
    """A module that needs NumPy, which agents do without. Raises ConfigError if it is not there."""
    try:
        return import_module(f"musterd_coordinator.sweep.{name}")
    except ModuleNotFoundError as error:
        raise ConfigError(f"no {error.name}: install musterd[coordinator]") from None
