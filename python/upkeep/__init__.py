"""Upkeep runs a maintenance schedule on every host, and proves that it was done."""
