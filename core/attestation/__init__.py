"""Statements about what was made: of what, how, and what is in it; signed where a key is named."""
