"""A whole fleet: agents, stores and coordinators as an operator runs them."""
