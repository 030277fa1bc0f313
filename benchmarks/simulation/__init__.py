"""Fleets in simulated time, judged by musterd's own detector."""
