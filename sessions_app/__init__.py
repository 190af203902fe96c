"""The outside: Django and Channels. It translates, and decides nothing."""

__version__ = "0.1.0"
