"""Databases as their clients see them."""
