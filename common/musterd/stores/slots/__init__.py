"""The slot protocol, by which members and beats are kept in any store of keys and values."""
