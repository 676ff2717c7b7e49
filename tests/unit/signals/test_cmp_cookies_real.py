"""Cookies that the real Klaro and vanilla-cookieconsent write, read by us."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.signals.cmp_cookies import read_cookies
from pipeline.signals.reading import Reading

MODULES = Path(__file__).parents[3] / "node_modules"
MAPPING = {"matomo": "statistics", "pixel": "marketing"}

# As much of a browser as the two touch before they write their cookie.
BROWSER = """
const any = () => new Proxy(function () {}, {
  get: (_, key) => key === Symbol.iterator ? function* () {}
    : key === Symbol.toPrimitive ? () => '' : any(),
  set: () => true,
  apply: any,
});
const jar = {};
global.window = global.self = global;
global.document = {
  get cookie() { return Object.entries(jar).map(e => e.join('=')).join('; '); },
  set cookie(text) {
    const [name, ...value] = text.split(';')[0].split('=');
    jar[name] = value.join('=');
  },
  querySelectorAll: () => [], getElementsByTagName: () => [],
  querySelector: () => null, addEventListener: () => {}, currentScript: null,
  createElement: any, documentElement: any(), body: any(), head: any(),
};
global.addEventListener = global.dispatchEvent = () => {};
global.location = {
  hostname: 'shop.example', protocol: 'https:', search: '', hash: '', href: '',
};
global.navigator = {userAgent: 'made up', language: 'en'};
global.sessionStorage = {getItem: () => null, setItem: () => {}, removeItem: () => {}};
global.CustomEvent = class {};
"""
KLARO = """
const klaro = require('klaro/dist/klaro-no-css.js');
const manager = klaro.getManager({services: [{name: 'matomo'}, {name: 'pixel'}]});
for (const name of %s) manager.updateConsent(name, true);
manager.saveAndApplyConsents();
process.stdout.write(jar.klaro);
"""
VANILLA = """
const tool = require('vanilla-cookieconsent/dist/cookieconsent.umd.js');
const sections = {consentModal: {}, preferencesModal: {sections: []}};
tool.run({
  autoShow: false, lazyHtmlGeneration: true, revision: 2,
  categories: {
    necessary: {enabled: true, readOnly: true},
    analytics: {services: {matomo: {}, heatmap: {}}},
    ads: {services: {pixel: {}}},
  },
  language: {default: 'en', translations: {en: sections}},
}).then(() => { %s; process.stdout.write(jar.cc_cookie); });
"""


def node(script: str) -> str:
    """Run a script in Node, beside the modules; skip where there are none."""
    program = shutil.which("node")
    if program is None or not MODULES.is_dir():
        pytest.skip("no Node with its modules here: make test sets them up")
    done = subprocess.run(
        [program, "-e", BROWSER + script],
        cwd=MODULES.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def read(name: str, value: str, cmp: str, revision: str = "") -> Reading:
    """Read the one cookie, as of now."""
    (reading,) = read_cookies(
        [(name, value)],
        cmps={cmp},
        mapping=MAPPING,
        now_ms=time.time_ns() // 1_000_000,
        revision=revision,
    )
    return reading


@pytest.mark.parametrize(
    ("accepted", "statistics", "marketing"),
    [
        ("['matomo', 'pixel']", "given", "given"),
        ("['matomo']", "given", "refused"),
        ("[]", "refused", "refused"),
    ],
)
def test_klaro(accepted: str, statistics: str, marketing: str) -> None:
    """What a visitor chose in Klaro is what we read."""
    reading = read("klaro", node(KLARO % accepted), "klaro")

    assert {"statistics": statistics, "marketing": marketing} == reading.states
    assert () == reading.problems


@pytest.mark.parametrize(
    ("action", "statistics", "marketing"),
    [
        ("tool.acceptCategory('all')", "given", "given"),
        ("tool.acceptCategory(['analytics'])", "given", "refused"),
        ("tool.acceptCategory([])", "refused", "refused"),
        # One service of two: the category is noted as accepted all the same.
        ("tool.acceptService('heatmap', 'analytics')", "refused", "refused"),
        ("tool.acceptService('matomo', 'analytics')", "given", "refused"),
    ],
)
def test_vanilla(action: str, statistics: str, marketing: str) -> None:
    """What a visitor chose in vanilla-cookieconsent is what we read."""
    value = node(VANILLA % action)
    reading = read("cc_cookie", value, "cookieconsent", "2")
    other = read("cc_cookie", value, "cookieconsent", "3")

    assert statistics == reading.states["statistics"]
    assert marketing == reading.states["marketing"]
    assert "refused" == reading.states["preference"]
    assert () == reading.problems
    assert "2" == reading.policy_version
    assert reading.updated_ms is not None
    assert "given" not in other.states.values()
