"""Who may do what, and what follows from what. Pure."""
