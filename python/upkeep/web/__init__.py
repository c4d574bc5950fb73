"""The page and its JSON API. Each file has the routes of its noun in ROUTES, with the action that each is."""
