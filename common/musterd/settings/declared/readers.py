"""The module declares the options of who asks a coordinator."""

from musterd.settings.options import FILE, Option, Role, Text, check_web_urls
from musterd.tokens import check_token

COORDINATOR = Option(
    "The coordinator that answers questions and takes orders; of several, the first that answers.",
    Text("http:// or https:// URLs or unix:/path, with commas between", "URL", check_web_urls),
    "http://coordinator-1:8420,http://coordinator-2:8420",
    Role.READER,
    secret=True,
)

TOKEN_FILE = Option(
    "The file with the token by which a coordinator knows who asks or orders, as `musterd token"
    " create` prints it; its owner alone may read it.",
    FILE,
    "~/.config/musterd/token",
    Role.READER,
    when_unset="none",
)

TOKEN = Option(
    "That token itself, for the environment; it goes before a token_file that is not named on"
    " the command line.",
    Text(
        "what `musterd token create` prints",
        "TOKEN",
        lambda text: check_token("it", text),
    ),
    "mt_1c9f0a7e_qhQ0tVQm0p3oWq1nq0r5o8Yy2mZc4kXj7sTfVb9dLwE",
    Role.READER,
    when_unset="none",
    private=True,
)
