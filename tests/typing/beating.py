"""A user's program that beats; it is not run, but must satisfy strict type checkers."""

from musterd_agent import JoinOptions, Membership, Status, ThreadMembership, join, join_in_thread

STORE = "memcached://mc1,mc2"
OPTIONS: JoinOptions = {
    "group": "workers",
    "member": "w1",
    "interval": 10.0,
    "metadata": {"rack": "r1"},
}


async def serve() -> bool:
    async with join(STORE, **OPTIONS) as membership:
        beating: Membership = membership
        beating.status = Status.DRAINING
        age: float = beating.last_accepted_age
        return await beating.report(Status.OK) and age < 20


def serve_beside() -> bool:
    with join_in_thread(STORE, group="workers", member="w1") as membership:
        beating: ThreadMembership = membership
        at: float | None = beating.last_accepted
        return beating.report(Status.LEAVING) and at is not None
