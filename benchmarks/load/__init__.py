"""The package finds out how much a store carries.

A swarm of simulated agents beats to the store while a coordinator sweeps it.
``python -m benchmarks load --store memcached://mc1:11211 --agents 100000 --interval 10`` makes real
beats over real sockets, under a namespace of its own, and says what became of them: how many got
through and how fast, what the server and the coordinator paid, which members were called down and
should not have been, and how soon members that stopped were found. docs/load.md says what the
output means.
"""

from benchmarks.load.command import main

__all__ = ["main"]
