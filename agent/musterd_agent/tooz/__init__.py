"""Tooz finds groups in musterd: ``tooz.coordination.get_coordinator("musterd://c1:8420", member_id)``.

It is membership alone, whoever wants a lock or a leader is told that there is none. Members beat from a
thread by :func:`musterd_agent.join`, straight to the store, and who is there a coordinator tells.

:mod:`musterd_agent.tooz.driver` is the face to Tooz; it comes with the extra ``tooz``, and nothing else
imports it.
"""
