"""The room decides what needs attention, from read-only views: pure, in columns, in steps."""
