"""A daemon that notes the settings with which it is run."""

from musterd.settings.reload import Reread
from musterd.settings.sources import Settings

STATUS = 7
seen: list[Settings] = []


def run(settings: Settings, reread: Reread) -> int:
    """Note the settings; STATUS."""
    assert reread().settings == settings
    seen.append(settings)
    return STATUS
