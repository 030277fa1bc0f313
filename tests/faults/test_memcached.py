"""What can happen to a memcached."""

from tests.conftest import StartMemcached
from tests.faults.conftest import StartLab
from tests.servers import Memcached, memcached_url

ONE = "one memcached"


def test_restarted(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("restarted at once", nova="200 of 200 down, 60,125 node-seconds"):
        memcached.kill()
        memcached.start()
        lab.last(2)
    lab.verify()


def test_hung(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("stopped 12 s (SIGSTOP)", nova="200 of 200 down, 60,125 node-seconds"):
        memcached.pause()
        lab.last(12)
        memcached.resume()
    lab.verify()


def test_one_of_three_gone_for_ever(start_memcached: StartMemcached, start_lab: StartLab) -> None:
    servers = [start_memcached() for _ in range(3)]
    lab = start_lab(memcached_url(*servers, replicas=2), kind="three memcacheds, replicas=2")
    with lab.fault("one of three gone for ever", lost_shards=1):
        servers[0].kill()
        lab.last(12)
    lab.verify()
