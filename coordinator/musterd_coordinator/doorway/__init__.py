"""The package has what connections pass before anybody talks: addresses, handshakes, who it is."""
