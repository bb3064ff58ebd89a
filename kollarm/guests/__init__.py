"""The guests of a configuration."""
