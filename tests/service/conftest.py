"""What tests of services share."""

import pytest


@pytest.fixture(params=["whole", "halves"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How tables of PostgreSQL are swept: in one go, or by halves, however small they are."""
    if request.param == "halves":
        monkeypatch.setattr("musterd.stores.postgres_scan.HALVES_FROM", 0)
    return str(request.param)
