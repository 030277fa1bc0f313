"""The agent: on every compute host, pushes the beats of its members straight to the store."""
