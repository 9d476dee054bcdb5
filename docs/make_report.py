"""Makes the example report of docs/reference/report.md and its picture.

    uv run python docs/make_report.py

Needs Chromium and its driver on PATH for the picture.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import shutil
from pathlib import Path

from PIL import Image
from selenium import webdriver

import boundnet
from boundnet.inputs.files import load_inputs
from boundnet_reports import html_page

ROOT = Path(__file__).parents[1]
MODEL, INPUTS = "examples/digits_cnn.h5", "examples/digits_test.npz"
PAGE, PICTURE = ROOT / "docs" / "reference" / "example-report.html", ROOT / "docs" / "reference" / "example-report.png"
WIDTH = 1120
PARTS = (("body", "nav"), ("#network", "#depth .plot"))
"""From the top of one element to the bottom of another."""


def main() -> None:
    """Analyse the example in float32, write the page, photograph its beginning."""
    graph = boundnet.load(ROOT / MODEL)
    loaded = load_inputs(graph, [str(ROOT / INPUTS)])
    analysis = boundnet.analyze(graph, loaded.inputs, source=INPUTS)
    command = ("boundnet", "analyze", MODEL, "--inputs", INPUTS, "--html", "report.html")
    model = dataclasses.replace(analysis.model, path=MODEL)
    html_page.report(dataclasses.replace(analysis, model=model, command=command), PAGE)
    parts = photograph(PAGE)
    height = sum(part.height for part in parts)
    whole = Image.new("RGB", (WIDTH, height), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    whole.quantize(200, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    for path in (PAGE, PICTURE):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB")


def photograph(page: Path) -> list[Image.Image]:
    """The parts of the page as a window of WIDTH pixels shows them."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(word)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                               {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False})  # fmt: skip
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
        )
        driver.get(page.as_uri())
        return [_part(driver, first, last) for first, last in PARTS]
    finally:
        driver.quit()


def _part(driver: webdriver.Chrome, first: str, last: str) -> Image.Image:
    script = "return document.querySelector(arguments[0]).getBoundingClientRect()[arguments[1]] + scrollY"
    top, bottom = driver.execute_script(script, first, "top"), driver.execute_script(script, last, "bottom")
    clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top + 8, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")


if __name__ == "__main__":
    main()
