"""The package has what a daemon is as a process: signals, memory, addresses."""
