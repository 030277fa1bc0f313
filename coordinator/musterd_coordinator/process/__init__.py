"""What a daemon is as a process: signals, memory, addresses."""
