"""The module reads configuration files as text, and says what is wrong with one that is none."""

from pathlib import Path

from musterd.errors import ConfigError


def text_of(file: Path) -> str:
    """Return the text of a configuration file; raise ConfigError where it cannot be read as such."""
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the configuration file {file} is not UTF-8 text") from None
    if text.startswith("\ufeff"):
        raise ConfigError(
            f"the configuration file {file} begins with a byte order mark, which no editor shows;"
            " save it as UTF-8 without one"
        )
    return text
