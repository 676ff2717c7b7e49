"""
Why: the path of one decision, step by step, in words and numbers that may be shown.

Nothing raw is in it: of an address only the place it led to, of consent strings only
what they say.
"""

from typing import Any

from pipeline.gate import why
from pipeline.process import Treatment
from schemas.consent import ASKED, Category
from schemas.ddl import EMPTY
from schemas.policy import Policy
from schemas.row import CountRow, Row


def steps(
    treatment: Treatment,
    category: Category,
    row: Row | CountRow | None,
    policy: Policy,
) -> list[dict[str, Any]]:
    """
    Return the steps from what a request said to what stays of it.

    Each has a `step`: signals, merged, rules, decision and, of an event, kept.
    """
    consent, rules = treatment.consent, treatment.rules
    found: list[dict[str, Any]] = [
        {
            "step": "signals",
            "read": [
                {
                    "source": one.source,
                    "states": dict(one.states),
                    "flags": sorted(one.flags),
                    "method": one.method,
                    "problems": list(one.problems),
                }
                for one in treatment.readings
            ],
        },
        {
            "step": "merged",
            "states": {name: consent.of(name) for name in ASKED},
            "flags": list(consent.flags),
            "sources": list(consent.sources),
            "problems": list(consent.problems),
        },
        {
            "step": "rules",
            "place": treatment.place,
            "regime": rules.regime,
            "regime_version": rules.version,
            "policy_version": policy.version,
            "switches": sorted(rules.switches),
        },
        {"step": "decision", "category": category, "matched": why(consent, rules)},
    ]
    if row is not None:
        found.append({"step": "kept", **_kept(row, policy)})
    return found


def _kept(row: Row | CountRow, policy: Policy) -> dict[str, Any]:
    if isinstance(row, CountRow):
        return {"table": "counts", "fields": list(CountRow.__struct_fields__)}
    fields = policy.columns("events")
    kept = [name for name in fields if getattr(row, name) != EMPTY[fields[name].type]]
    return {"table": "events", "fields": kept}
