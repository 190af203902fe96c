"""Django's databases, which tests empty fast: see `clearing`."""
