"""What the server can do: one flow per file, and what flows need."""
