"""Certificates in files and as servers present them."""
