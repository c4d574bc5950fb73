"""Transitions of findings → alerts → who is notified, when → the outbox → channels."""
