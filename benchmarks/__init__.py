"""What musterd costs, and what others cost."""
