"""What people see: the terminal, the printed report."""
