"""Parsers of what guests contain: pure functions from text or bytes to plain data.

A guest is outside input.  These parsers take anything and never fail on it: what isn't
understood is left out, and the inspection says what is missing then.
"""
