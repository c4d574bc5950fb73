"""What people and programs read: the terminal, the printed report, JSON, CSV, a calendar."""
