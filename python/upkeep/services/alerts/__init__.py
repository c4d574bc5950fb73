"""Transitions of findings → alerts → who is told, when → the outbox → channels."""
