"""This machine's clock, compared with the servers that a run would use."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit

import requests
from urllib3.exceptions import InsecureRequestWarning

from core.config.model import Config
from core.oci.registry import is_loopback
from core.progress import duration
from core.trust import no_stored_password
from kollarm.doctor.model import DoctorFinding, good, missing, note

#: Seconds of difference that signatures, tokens and certificates tolerate.
TOLERANCE = 60.0


def servers(config: Config) -> list[str]:
    """URLs of servers on other machines, in the order in which they are asked."""
    urls = []
    if not config.registry.embedded and not is_loopback(config.registry.address):
        scheme = "http" if config.registry.insecure else "https"
        urls.append(f"{scheme}://{config.registry.address}/v2/")
    if (bootstrap := config.build.base.bootstrap) is not None:
        urls.append(f"{bootstrap.mirror}/dists/{bootstrap.suite}/InRelease")
    urls += [str(guest.source.url) for guest in config.guests if guest.source.url is not None]
    return urls


def clock(config: Config) -> Iterator[DoctorFinding]:
    """Compare this machine's time with that of the first server that answers."""
    for url in servers(config):
        before = time.time()
        try:
            answer = _head(url)
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            # the date of an answer from a cache is the date when it was cached
            theirs += int(answer.headers.get("Age") or 0)
        except (requests.RequestException, KeyError, ValueError, TypeError, OverflowError):
            continue
        yield judge((before + time.time()) / 2 - theirs, url)
        return
    yield note("clock", "no server could be asked for the time")


def _head(url: str) -> requests.Response:
    """The head of an answer, of which only the date is used.

    With a wrong clock no certificate is valid, so the date of a server without a valid
    certificate counts too. Nobody knows who that is: no request carries credentials, neither
    those of ~/.netrc, which requests would add, nor those of a URL.
    """
    parts = urlsplit(url)
    url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    try:
        return requests.head(url, timeout=10, auth=no_stored_password)
    except requests.exceptions.SSLError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            return requests.head(url, timeout=10, auth=no_stored_password, verify=False)


def judge(ahead: float, url: str) -> DoctorFinding:
    """Whether a difference from a server's clock is acceptable.

    :param ahead: seconds; positive if this machine is ahead.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    if abs(ahead) <= TOLERANCE:
        return good(
            "clock", f"agrees with the clock of {host} within {max(1, round(abs(ahead)))} s"
        )
    way = "ahead of" if ahead > 0 else "behind"
    return missing(
        "clock",
        f"{_difference(abs(ahead))} {way} the clock of {host}: certificates, signatures of "
        "archives and tokens would be refused",
        "set the clock: timedatectl set-ntp true, or install chrony",
    )


def _difference(seconds: float) -> str:
    days, hours = seconds / 86400, seconds / 3600
    if days >= 2:
        return f"{days:.0f} days"
    return f"{hours:.0f} hours" if hours >= 2 else duration(seconds)
