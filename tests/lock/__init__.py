"""docs/lock-it.md, copied to hosts made of namespaces as it says; `make lock` runs it, as root."""
