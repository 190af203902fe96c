"""The process: settings and wiring, no logic."""
