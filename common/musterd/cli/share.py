"""The module makes what belongs into a `share` folder: man pages, and completion for shells.

``python -m musterd.cli.share /usr/local/share`` writes it there, as `make install` does.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from musterd.cli.manual import man_pages
from musterd.cli.shells import SHELLS
from musterd.cli.synopsis import every_synopsis

_PLACES = {
    "bash": "bash-completion/completions/musterd",
    "zsh": "zsh/site-functions/_musterd",
    "fish": "fish/vendor_completions.d/musterd.fish",
}


def shared_files() -> Mapping[str, str]:
    """Return the text of each file by its path below the folder."""
    every = list(every_synopsis())
    return {
        **{_PLACES[shell]: write(every) for shell, write in SHELLS.items()},
        **{f"man/man1/{name}": page for name, page in man_pages().items()},
    }


def write_shared(folder: Path) -> None:
    """Write all of them below ``folder``; what is there of another version is replaced."""
    for path, text in shared_files().items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_shared(Path(sys.argv[1]))
