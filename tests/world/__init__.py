"""A whole fleet in one seed: the production code of all parts, on one simulated clock."""
