"""The one configuration file: its shape (:mod:`model`) and its reading (:mod:`load`)."""
