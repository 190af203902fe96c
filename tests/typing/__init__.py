"""What type checkers must say of the engine's use, good and bad."""
