"""The operating system: accounts, and processes that are started and ended in one way."""
