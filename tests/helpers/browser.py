"""A headless Chromium for tests of the page."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest


def start() -> Any:
    """A driver without network use of its own; skips the test, saying why, where something is absent."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (uv sync)")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium with a driver on PATH (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


class Browser:
    """Opens pages and asks about them."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, *, width: int = 1280, dark: bool = False, media: str = "", scripts: bool = True) -> None:
        """Load the page at ``path`` as a screen, or paper (``media`` print), of that width shows it."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.tell("Emulation.setScriptExecutionDisabled", value=not scripts)
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(path.as_uri())

    def tell(self, command: str, **values: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, values)

    def ask(self, expression: str, *values: Any) -> Any:
        """The value of a JavaScript expression; ``arguments`` are ``values``."""
        return self.driver.execute_script(f"return {expression}", *values)

    def height(self, selector: str) -> float:
        """Height in pixels of the first such element, 0 where there is none; needs no script of the page."""
        from selenium.common.exceptions import WebDriverException

        for _ in range(40):  # a document that is still being replaced has other node numbers
            try:
                root = self.tell("DOM.getDocument", depth=0)["root"]["nodeId"]
                node = self.tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
                return float(self.tell("DOM.getBoxModel", nodeId=node)["model"]["height"]) if node else 0.0
            except WebDriverException:
                time.sleep(0.25)
        return 0.0

    def complaints(self) -> list[str]:
        """What the console got: errors, refused scripts, warnings."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def hover(self, selector: str, nth: int = 0) -> None:
        """Move the pointer to the middle of an element."""
        script = "const e = document.querySelectorAll(arguments[0])[arguments[1]]; e.scrollIntoView({block: 'center'});"
        self.driver.execute_script(script, selector, nth)
        box = self.ask(
            "document.querySelectorAll(arguments[0])[arguments[1]].getBoundingClientRect().toJSON()", selector, nth
        )
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.tell("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def key(self, name: str) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if name == "Enter" and kind == "keyDown" else {}
            self.tell(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=_CODES.get(name, 0), **text
            )


_CODES = {"Enter": 13, "Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "End": 35, "Escape": 27}
