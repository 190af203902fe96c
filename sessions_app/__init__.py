"""The outside: Django and Channels. It translates, and decides nothing."""
