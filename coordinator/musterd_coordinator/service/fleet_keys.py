"""The module has the keys that a coordinator checks beats with, and takes those of a renewed file."""

from musterd.keys import FleetKeys
from musterd.renewal import Renewable
from musterd.settings.settings import Settings
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.sweep.signed.signing import Signing


class FleetKeyFile:
    """A `FleetKeyFile` has what checks beats, by the keys of a file that may be renewed.

    Nonces last for as long as whoever beats most seldom needs to see them.
    """

    def __init__(
        self, file: Renewable[FleetKeys], settings: Settings, coordinator: str, view: RollView
    ) -> None:
        self.file = file
        self.signing = Signing(
            *(file.current(), settings.namespace, coordinator),
            required=settings.signatures_in_force == "require",
            down_time=lambda: max(view.down_time, view.hearing.latest_down_after),
            members_in=view.members_in,
        )
        file.take = self._adopt

    def _adopt(self, keys: FleetKeys) -> None:
        self.signing.keys = keys
