"""This machine's clock, against the servers that a run would speak to."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import InsecureRequestWarning

from core.config.model import Config
from core.oci.registry import is_loopback
from core.progress import duration
from kollarm.doctor.model import DoctorFinding, good, lacking, note

#: Seconds of difference that signatures, tokens and certificates bear.
TOLERANCE = 60.0


def servers(config: Config) -> list[str]:
    """URLs of servers that aren't this machine, in the order of asking."""
    found = []
    if not config.registry.embedded and not is_loopback(config.registry.address):
        scheme = "http" if config.registry.insecure else "https"
        found.append(f"{scheme}://{config.registry.address}/v2/")
    if (bootstrap := config.build.base.bootstrap) is not None:
        found.append(f"{bootstrap.mirror}/dists/{bootstrap.suite}/InRelease")
    found += [str(guest.source.url) for guest in config.guests if guest.source.url is not None]
    return found


def clock(config: Config) -> Iterator[DoctorFinding]:
    """Compare this machine's time with the first server that tells its own."""
    for url in servers(config):
        before = time.time()
        try:
            answer = _head(url)
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except (requests.RequestException, KeyError, ValueError, TypeError):
            continue
        # an answer out of a cache bears the date of its making
        theirs += float(answer.headers.get("Age", "0") or 0)
        yield judge((before + time.time()) / 2 - theirs, url)
        return
    yield note("clock", "no server to compare it with could be asked")


def _head(url: str) -> requests.Response:
    """The head of an answer; nothing but its date is read.

    By a wrong clock no certificate is valid: a server that can't prove who it is may
    tell the time too.
    """
    try:
        return requests.head(url, timeout=10)
    except requests.exceptions.SSLError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            return requests.head(url, timeout=10, verify=False)


def judge(ahead: float, url: str) -> DoctorFinding:
    """What a difference to a server's clock means; positive when this machine is ahead."""
    host = url.split("/")[2]
    if abs(ahead) <= TOLERANCE:
        return good("clock", f"agrees with {host}'s within {max(1, round(abs(ahead)))} s")
    way = "ahead of" if ahead > 0 else "behind"
    return lacking(
        "clock",
        f"{_difference(abs(ahead))} {way} {host}'s: certificates, archives' signatures and tokens "
        "would be refused",
        "set it: timedatectl set-ntp true, or install chrony",
    )


def _difference(seconds: float) -> str:
    days, hours = seconds / 86400, seconds / 3600
    if days >= 2:
        return f"{days:.0f} days"
    return f"{hours:.0f} hours" if hours >= 2 else duration(seconds)
