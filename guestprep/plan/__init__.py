"""From facts and what is requested to the steps: pure functions, plain data."""
