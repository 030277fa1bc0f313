"""The package has what can be set: options, where they come from, and what they must be."""
