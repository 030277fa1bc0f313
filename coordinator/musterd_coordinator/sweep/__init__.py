"""The package reads every beat of every shard of a store, again and again."""
