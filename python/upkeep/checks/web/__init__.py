"""Sites, endpoints and services, as their logs and answers show them."""
