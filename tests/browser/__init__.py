"""What a real Chromium takes part in."""
