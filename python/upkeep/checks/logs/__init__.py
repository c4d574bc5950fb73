"""Logs: rotated, kept as long as they must be, and no longer."""
