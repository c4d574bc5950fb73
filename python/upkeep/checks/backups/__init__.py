"""Backups: made in time, whole, readable."""
