"""What somebody may have meant."""

from __future__ import annotations

from core.suggest import did_you_mean


def test_only_what_is_about_as_near_is_named() -> None:
    known = ["cron_footer", "horizon_footer", "cyborg_footer", "nova-api", "nova-ssh", "nova-spi"]
    assert did_you_mean("cron_foter", known) == "did you mean 'cron_footer'?"
    assert did_you_mean("nova-pi", known) == "did you mean 'nova-spi' or 'nova-api'?"
    assert did_you_mean("zzz", known) is None
