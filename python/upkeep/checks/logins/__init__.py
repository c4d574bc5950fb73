"""Who signed in on a host, and who tried."""
