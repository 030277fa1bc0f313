"""The package records a trace: what came of sweeps, and what Nova's own rules say beside it."""
