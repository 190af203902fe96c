"""What the flows' ports are bound to: the log in the ORM, the hub on the channel layer."""
