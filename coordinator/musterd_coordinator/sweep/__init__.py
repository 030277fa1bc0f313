"""Reading every beat of every shard of a store, again and again."""
