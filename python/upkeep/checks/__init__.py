"""One file, one check: see docs/write-a-check.md."""
