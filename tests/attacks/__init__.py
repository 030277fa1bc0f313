"""What one hostile or clumsy neighbour does to a fleet of real processes: see `make attacks`."""
