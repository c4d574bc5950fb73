"""What stands between this machine and its hosts."""
