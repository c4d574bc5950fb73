"""Feeds: files and URLs that others write, such as the reports of builds."""
