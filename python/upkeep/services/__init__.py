"""What is done for people and drivers: each in one transaction, with the act that it is."""
