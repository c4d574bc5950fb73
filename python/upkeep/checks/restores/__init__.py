"""Restores: backups that were restored, and what came out."""
