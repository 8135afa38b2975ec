"""Moved here; see hls/__init__.py."""
