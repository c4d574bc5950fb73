"""From an observation, limits and a time to a verdict. Pure."""
