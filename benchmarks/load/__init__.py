"""How much does a store carry? A swarm of simulated agents beats to it while a coordinator sweeps.

``python -m benchmarks load --store memcached://mc1:11211 --agents 100000 --interval 10`` makes real
beats over real sockets, under a namespace of its own, and says what became of them: how many got
through and how fast, what the server and the coordinator paid, who was called down and should not
have been, and how soon members that stopped were found. docs/load.md says what the output means.
"""

from benchmarks.load.command import main

__all__ = ["main"]
