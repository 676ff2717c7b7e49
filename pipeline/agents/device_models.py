"""
The kinds of devices that others know by their models: a look-up in their lists.

A model is what stands behind "Android …" in an agent's brackets. It is looked up under
its name; only what no name is equal to is asked of the patterns, one automaton a kind.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any, Literal

from pipeline.agents.robot_agents import compile_any

Kind = Literal["desktop", "mobile", "tablet", "tv", "wearable"]

MODELS_FILE = Path(__file__).parents[1] / "data" / "device_models.json"

_MODEL = re.compile(
    r"(?:ndroid|adr)[ /-]?[0-9.]*[^;()]*; *"
    r"(?:[a-z]{2,3}(?:[-_ ][a-z]{2,4}){0,2} *; *)?(?:harmonyos; *)?"
    r"([^;() ][^;()]{1,59}?) *(?: build|[;()]| applewebkit|$)",
    re.IGNORECASE,
)
# Makers that some agents name before the model and some do not.
_MAKER = re.compile(
    r"(?:samsung|acer|asus|alcatel|huawei|lenovo|sony|tct|zte|hp|lge?)[ -](?=.*[0-9])",
    re.IGNORECASE,
)
# Where it was sold.
_MARKET = re.compile(r"[ -](?:EEA|EU|ROW|RU|TR|US|UK)$", re.IGNORECASE)


def normal_model(name: str) -> str:
    """Return a model as it is compared: single spaces, no variant, no maker."""
    spaced = " ".join(name.partition("/")[0].replace("_", " ").split())
    if " " not in spaced and "-" not in spaced:
        return spaced
    spaced = _MARKET.sub("", spaced)
    return spaced[match.end() :] if (match := _MAKER.match(spaced)) else spaced


def model_of(user_agent: str) -> str:
    """Return the model that an Android device names, normal; "" when it names none."""
    start = user_agent.find("ndroid")
    match = _MODEL.match(user_agent, start if start >= 0 else user_agent.find("Adr"))
    return normal_model(match[1]) if match else ""


def kind_of_model(model: str) -> Kind | Literal[""]:
    """Return the kind of a normal model; "" when no list knows it."""
    kinds, any_of_all, patterns = _lists()
    if kind := kinds.get(model.lower()):
        return kind
    text = model.encode(errors="replace")
    if not any_of_all.search(text):
        return ""
    return next(kind for kind, any_of in patterns if any_of.search(text))


@functools.cache
def _lists() -> tuple[dict[str, Kind], Any, list[tuple[Kind, Any]]]:
    found = json.loads(MODELS_FILE.read_text(encoding="utf-8"))
    kinds = {model: kind for kind, names in found["models"].items() for model in names}
    patterns = found["patterns"]
    together = [pattern for some in patterns.values() for pattern in some]
    by_kind = [(kind, compile_any(some)) for kind, some in patterns.items()]
    return kinds, compile_any(together), by_kind
