"""The package has fleets in simulated time, which musterd's own detector judges."""
