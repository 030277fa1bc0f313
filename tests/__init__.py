"""What musterd does."""
