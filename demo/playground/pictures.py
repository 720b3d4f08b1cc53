"""
``python -m demo.playground.pictures URL FOLDER``: photograph each situation of an open playground, log and tab.

What does not fit into 1,440 by 900 pixels is not on the picture: that is what whoever is called at night sees at once.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from demo.playground.situations import RUN, SITUATIONS

WIDTH, HEIGHT = 1440, 900


def main(url: str, folder: str) -> None:
    """Write ``oncall-SITUATION-log.png`` and ``oncall-SITUATION-tab.png`` for each."""
    with TemporaryDirectory() as profile:
        browser = _browser(profile)
        try:
            for situation in SITUATIONS:
                page = f"{url}/dags/{situation.dag_id}/runs/{RUN}/tasks/{situation.task_id}"
                for kind, address in (("log", page), ("tab", f"{page}/plugin/s3-replication")):
                    browser.get(address)
                    time.sleep(6)  # Airflow's pages say nowhere that they are complete
                    browser.save_screenshot(str(Path(folder) / f"oncall-{situation.dag_id}-{kind}.png"))
        finally:
            browser.quit()


def _browser(profile: str) -> Any:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for argument in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "no-first-run",
        "no-proxy-server",
        "hide-scrollbars",
        f"window-size={WIDTH},{HEIGHT}",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=Service(executable_path=shutil.which("chromedriver")))
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
    )
    return driver


if __name__ == "__main__":
    main(*sys.argv[1:])
