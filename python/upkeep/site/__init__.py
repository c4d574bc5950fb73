"""What a site writes, as typed values: inventory, schedule, settings."""
