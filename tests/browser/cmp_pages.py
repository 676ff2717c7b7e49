"""
Pages with real consent managers on them, and what a visitor clicks there.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page
from tracker_stage import PAGES, ROOT, Recorder

MODULES = ROOT / "node_modules"
SITUATIONS = ("nothing", "accept", "refuse", "change", "withdraw")
# What is chosen, in which order, and what the record of consent calls it.
CHOSEN: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "accept": ("give",),
    "refuse": ("refuse",),
    "change": ("refuse", "change"),
    "withdraw": ("give", "withdraw"),
}


@dataclass(frozen=True)
class Banner:
    """
    One consent manager: its page, and what to click for each step.
    """

    page: str
    accept: tuple[str, ...]
    refuse: tuple[str, ...]
    # After a choice was made: open the banner again, and choose otherwise.
    only_statistics: tuple[str, ...]
    refuse_again: tuple[str, ...]

    def steps(self, situation: str) -> tuple[tuple[str, ...], ...]:
        """The clicks of a situation, one tuple for each choice."""
        return {
            "nothing": (),
            "accept": (self.accept,),
            "refuse": (self.refuse,),
            "change": (self.refuse, self.only_statistics),
            "withdraw": (self.accept, self.refuse_again),
        }[situation]


BANNERS: dict[str, Banner] = {
    "cookieconsent": Banner(
        page="cmp_cookieconsent",
        accept=("#cc-main .cm [data-role=all]",),
        refuse=("#cc-main .cm [data-role=necessary]",),
        only_statistics=(
            "#again",
            "#cc-main .section__toggle-wrapper:has([value=analytics])",
            "#cc-main .pm [data-role=save]",
        ),
        refuse_again=("#again", "#cc-main .pm [data-role=necessary]"),
    ),
    "klaro": Banner(
        page="cmp_klaro",
        accept=(".klaro .cookie-notice .cm-btn-success",),
        refuse=(".klaro .cookie-notice .cn-decline",),
        only_statistics=(
            "#again",
            ".klaro label[for=purpose-item-statistics]",
            ".klaro .cookie-modal .cm-btn-accept",
        ),
        refuse_again=(
            "#again",
            ".klaro label[for=purpose-item-functional]",
            ".klaro label[for=purpose-item-statistics]",
            ".klaro label[for=purpose-item-marketing]",
            ".klaro .cookie-modal .cm-btn-accept",
        ),
    ),
    "tcf": Banner(
        page="cmp_tcf",
        accept=("#accept",),
        refuse=("#refuse",),
        only_statistics=("#again", "#statistics"),
        refuse_again=("#again", "#refuse"),
    ),
}


def collect_libraries(folder: Path) -> Path:
    """
    Copies the managers' own files into a folder, and builds those that need it.
    """
    for file in (
        "vanilla-cookieconsent/dist/cookieconsent.umd.js",
        "vanilla-cookieconsent/dist/cookieconsent.css",
        "klaro/dist/klaro.js",
        "@iabtechlabtcf/stub/lib/stub.js",
    ):
        shutil.copy(MODULES / file, folder)
    shutil.copy(PAGES / "cmp/fakes.js", folder)
    for source in sorted((PAGES / "cmp").glob("*_cmp.js")):
        subprocess.run(
            [
                MODULES / ".bin/esbuild",
                source,
                "--bundle",
                "--format=iife",
                "--log-level=error",
                f"--outfile={folder / source.name}",
            ],
            check=True,
        )
    return folder


async def custom(page: Page, recorder: Recorder, name: str) -> dict[str, Any]:
    """Sends an event and returns it as it arrived."""
    await page.evaluate("(name) => kastana('event', name)", name)

    def named() -> list[dict[str, Any]]:
        return [event for event in recorder.named("custom") if event["name"] == name]

    await recorder.until(named)
    return named()[0]
