"""These limits, in seconds, are those of what an agent may be set to.

A coordinator holds to them whatever beats promise.
"""

MIN_INTERVAL, MAX_INTERVAL = 0.05, 3600.0
MIN_PUSH_TIMEOUT = 0.01

PUSH_SHARE, USUAL_PUSH_TIMEOUT = 0.8, 5.0
"""While nobody sets it, a push may take this share of the interval, and this long at most."""

INTERVALS_UNTIL_DOWN = 2.5
"""Intervals that a member may be silent whatever the service_down_time: nova/servicegroup/api.py puts
this factor in place of a service_down_time that is not above report_interval."""
