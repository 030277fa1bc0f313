"""Who is alive: the columns of all members, and what a sweep means for them. No input or output."""
