"""Unit tests: seconds, without servers."""

from hypothesis import HealthCheck, settings

# The machines that run these are busy emulating; what counts is what is found.
settings.register_profile("kollarm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kollarm")
