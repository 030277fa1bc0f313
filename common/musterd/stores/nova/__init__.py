"""The package knows Nova's databases as what a coordinator may watch: no agent beats there."""
