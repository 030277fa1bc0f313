"""The dashboard is one page that carries its style and script, and may load nothing else."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from starlette.responses import HTMLResponse

SCRIPTS = (
    *("words", "asking", "fleet", "map", "verdict", "incidents", "hearing", "members"),
    *("drawer", "timeline", "main"),
)
"""The parts of the one script, in this order: each uses what stands before it."""


def dashboard_answer() -> HTMLResponse:
    """Return the page, put together from the files in ``page/``."""
    style, page = _text("style.css"), _text("page.html")
    script = "".join(_text(f"script/{name}.js") for name in SCRIPTS)
    body = page.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
    return HTMLResponse(body, headers=_headers(style, script))


def _text(name: str) -> str:
    return (files(__package__) / "page" / name).read_text("utf-8")


def _headers(style: str, script: str) -> dict[str, str]:
    # Names, zones and reasons come from hosts. Even if one of them got into the page as markup,
    # no script but this very one runs, and nothing is sent anywhere but here.
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}';"
        " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    return {
        "content-security-policy": policy,
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
