"""Parsers of what guests contain: pure functions from text or bytes to plain data.

A guest is outside input.  These parsers accept anything and never fail on it: they leave out what
they don't understand, and the inspection then reports what is missing.
"""
