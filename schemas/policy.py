"""
The published privacy policy as data, loaded and checked.

`policy.toml` is the source; this module gives it types and refuses it with a
precise message when a key is missing, a name refers to nothing, or a field does
not say what remains of it. Nothing here has a default: a default would leak.
"""

import functools
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from schemas.policy_check import check_policy
from schemas.policy_types import (
    SHAPES,
    Column,
    ConsentCategory,
    DataCategory,
    Entry,
    EventRule,
    Field,
    Header,
    LedgerField,
    Policy,
    PolicyError,
    PolicyVersion,
    Purpose,
    Retention,
    RetentionReason,
    Right,
    Shape,
    Table,
)

__all__ = [
    "SHAPES",
    "Column",
    "EventRule",
    "Field",
    "Header",
    "LedgerField",
    "Policy",
    "PolicyError",
    "PolicyVersion",
    "Retention",
    "Shape",
    "Table",
    "load_policy",
    "parse_policy",
]

T = TypeVar("T")
_NAMED_FIELD = re.compile(r"field `([^`]*)`")
_FIELD_PATH = re.compile(r" - at `\$\.([^`\[]*)")
_SECTIONS: dict[str, type[Entry]] = {
    "policy_versions": PolicyVersion,
    "data_categories": DataCategory,
    "purposes": Purpose,
    "consent_categories": ConsentCategory,
    "retention_reasons": RetentionReason,
    "retention": Retention,
    "rights": Right,
    "events": EventRule,
    "fields": Field,
    "ledger": LedgerField,
    "tables": Table,
}


def parse_policy(text: str) -> Policy:
    """
    Build the policy from TOML text.

    Raises:
        PolicyError: at the first thing that does not hold, naming its key.

    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError("file", f"is not TOML: {error}") from error
    expected = {"policy", "transforms", *_SECTIONS}
    for name in sorted(raw.keys() - expected):
        raise PolicyError(name, "unknown section")
    for name in sorted(expected - raw.keys()):
        raise PolicyError(name, "missing section")
    parts: dict[str, Any] = {
        name: {
            key: _convert(value, kind, f"{name}.{key}")
            for key, value in _table(raw[name], name).items()
        }
        for name, kind in _SECTIONS.items()
    }
    policy = Policy(
        header=_convert(raw["policy"], Header, "policy"),
        transforms=_convert(raw["transforms"], dict[str, str], "transforms"),
        **parts,
    )
    check_policy(policy)
    return policy


def load_policy(path: Path | None = None) -> Policy:
    """
    Load the policy from a file, or the one that ships with the package.

    Raises:
        PolicyError: when it is not UTF-8, or at the first thing that does not hold.
        OSError: when the file cannot be read.

    """
    return _shipped() if path is None else _decode(path.read_bytes())


@functools.cache
def _shipped() -> Policy:
    return _decode(resources.files("schemas").joinpath("policy.toml").read_bytes())


def _decode(content: bytes) -> Policy:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8: byte {error.start}"
        raise PolicyError("file", problem) from None
    return parse_policy(text)


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise PolicyError(where, "must be a table with at least one entry")
    return value


def _convert(value: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _NAMED_FIELD.search(str(error)) or _FIELD_PATH.search(str(error))
        key = f"{where}.{found[1]}" if found else where
        raise PolicyError(key, str(error)) from error
