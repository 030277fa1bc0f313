"""A daemon is a process: here are its signals, memory and addresses."""
