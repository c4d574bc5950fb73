"""From rules and calendars to due times. Pure."""
