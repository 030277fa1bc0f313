"""The coordinator: sweeps the store, judges, and answers from memory."""
