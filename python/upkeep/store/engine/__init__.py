"""How the databases are opened, upgraded, copied and cleaned."""
