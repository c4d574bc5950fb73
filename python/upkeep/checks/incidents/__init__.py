"""Hosts that are cut off while an incident is handled."""
