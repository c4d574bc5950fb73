"""The commands: one noun, one file."""
