"""Nova's noVNC page in a real browser, used as a person uses it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from guestprep.boot.screen import ScreenReader
from guestprep.boot.watch import pause


class Page:
    """The page of one console."""

    def __init__(self, driver: webdriver.Chrome, folder: Path):
        self._driver, self._picture, self._reader = driver, folder / "canvas.png", ScreenReader()

    def text(self) -> str:
        """What is on the guest's screen; nothing as long as there is none."""
        try:
            canvas = self._driver.find_element(By.TAG_NAME, "canvas")
            self._picture.write_bytes(canvas.screenshot_as_png)
        except WebDriverException:
            return ""
        return self._reader.read(self._picture)

    def wait(
        self,
        shows: Callable[[str], bool],
        seconds: float,
        *,
        typing: str = "",
        when: Callable[[str], bool] = bool,
        every: float = 0.0,
    ) -> str:
        """Wait until the screen's text is as wanted.

        :param typing: what is typed again, with Return, after each *every* seconds in which
            the screen stayed one that asks for it (*when*): a person does so who sees messages
            written over a prompt, or a name taken by nobody as the keyboard wasn't there yet.
        :param every: 0 for never.
        :raises AssertionError: it isn't, with what is on it.
        """
        typed = time.monotonic()
        limit = typed + seconds
        while True:
            looked = time.monotonic()
            text = self.text()
            if shows(text):
                return text
            now = time.monotonic()
            assert now < limit, f"after {seconds:.0f} s the screen shows:\n{text}"
            if every and now > typed + every and when(text):
                self.type(typing)
                typed = time.monotonic()
            time.sleep(pause(3, now - looked))

    def type(self, line: str) -> None:
        """Type a line and press Return, a key at a time as a person does."""
        canvas = self._driver.find_element(By.TAG_NAME, "canvas")
        ActionChains(self._driver).click(canvas).perform()
        for key in (*line, Keys.RETURN):
            ActionChains(self._driver).send_keys(key).pause(0.1).perform()

    def keep(self, path: Path) -> None:
        """Keep a picture of the whole page."""
        path.write_bytes(self._driver.get_screenshot_as_png())


@contextmanager
def page(url: str) -> Iterator[Page]:
    """The page of a console's URL in a headless Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    # "none": the console is there long before noVNC's page counts as loaded.
    options.page_load_strategy = "none"
    for word in ("--headless=new", "--window-size=1296,980", "--disable-gpu", "--no-proxy-server"):
        options.add_argument(word)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    try:
        with tempfile.TemporaryDirectory(prefix="kollarm-novnc-") as folder:
            driver.get(url)
            yield Page(driver, Path(folder))
    finally:
        driver.quit()
