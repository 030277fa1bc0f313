"""The coordinator sweeps the store, judges members, and answers from memory."""
