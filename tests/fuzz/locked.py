"""What schemathesis checks of a coordinator with tokens that it asks without one: nothing is told."""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response

OPEN = ("/", "/healthz", "/readyz")


@schemathesis.check
def locked(context: CheckContext, response: Response, case: "Case[Any]") -> None:
    """Fail where who shows no token hears more than that one is missing."""
    if case.operation.path not in OPEN and case.method.upper() == case.operation.method.upper():
        assert response.status_code == 401, f"without a token: {response.status_code}"
