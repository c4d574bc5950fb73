"""Registers of a site: of people, agreements, training; files that people keep."""
