"""What Upkeep tells of itself: its runs, drivers, records and reviews."""
