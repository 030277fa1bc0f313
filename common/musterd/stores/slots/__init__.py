"""The package keeps members and beats in any store of keys and values, by the slot protocol."""
