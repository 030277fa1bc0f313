"""Tooz's own functional tests, for the driver that TOOZ_TEST_URL names, as a process of its own.

They ask of a few drivers if ours is one of them. The libraries of those are not here, so that their
classes stand empty.
"""

import sys
import unittest
from types import ModuleType

import tooz.drivers

OTHERS = {
    "etcd3gw": "Etcd3Driver",
    "file": "FileDriver",
    "ipc": "IPCDriver",
    "memcached": "MemcachedDriver",
    "redis": "RedisDriver",
}

for name, driver in OTHERS.items():
    module = ModuleType(f"tooz.drivers.{name}")
    setattr(module, driver, type(driver, (), {}))
    sys.modules[module.__name__] = module
    setattr(tooz.drivers, name, module)

if __name__ == "__main__":
    unittest.main("tooz.tests.test_coordination", argv=sys.argv)
