"""The process that stays: the schedule, the page, the alerts."""
