"""Services of a Nova that report into a lab's tables, while a test does something else."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from tests.service.nova_lab import NovaLab


@contextmanager
def reporting(lab: NovaLab, period: float, muted: set[str], now: str = "now()") -> Iterator[None]:
    """All services report once a period, but those that are muted; `now` is what their rows say then."""
    over = Event()

    def report() -> None:
        while not over.wait(period):
            silent = ", ".join(f"'{host}'" for host in ["nobody", *muted])
            lab.execute(
                f"UPDATE services SET report_count = report_count + 1, last_seen_up = {now}"
                f" WHERE host NOT IN ({silent})"
            )

    thread = Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
