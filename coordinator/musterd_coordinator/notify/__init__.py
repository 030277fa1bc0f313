"""Messages about incidents go to whoever is on duty: to a webhook, a program or an Alertmanager."""
