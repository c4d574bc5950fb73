"""The page and its JSON API. Every route stands in a table with the least role that may use it."""
