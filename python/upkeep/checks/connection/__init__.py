"""The way to a host, as the controller sees it."""
