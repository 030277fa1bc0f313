"""`musterd demo` shows a small fleet of real processes that fails and recovers before your eyes."""

from argparse import Namespace

import anyio
import structlog

from musterd_coordinator.demo import story


def run(args: Namespace) -> int:
    """Tell the story with ``args.members`` hosts, or ``args.nova``'s; return 0 if every step went as told.

    ``args.keep`` leaves everything running at the end, until it is interrupted.
    """
    # The story says what happens; the log lines of its coordinator would only tear it apart.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    loop = {"use_uvloop": True}
    if args.nova:
        from musterd_coordinator.demo.openstack import story as openstack  # seldom told, and long

        told: bool = anyio.run(openstack.tell, args.keep, backend_options=loop)
    else:
        told = anyio.run(story.tell, args.members, args.keep, backend_options=loop)
    return 0 if told else 1
