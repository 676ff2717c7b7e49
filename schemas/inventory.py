"""
The inventory of data, derived from the policy: for people (Markdown) and programs
(JSON). PRIVACY.md's table of fields is the same text.
"""

import orjson

from schemas.policy import SHAPES, Column, Field, Policy
from schemas.rollups import load_rollups

# Two lines of head and an empty one.
_EMPTY_TABLE = 3
_WORDS = {"keep": "kept", "absent": "no", "hour": "hour", "counter": "counted"}


def inventory_json(policy: Policy) -> str:
    """Return everything that is collected, with sections and DPV terms."""
    content = {
        "policy": policy.version,
        "controller": policy.header.controller,
        "versions": [
            {"version": name, "material": list(version.material)}
            for name, version in policy.policy_versions.items()
        ],
        "fields": [_field_object(policy, name) for name in policy.fields],
        "ledger": [
            {**_column_object(policy, name, column), "filled_by": column.filled_by}
            for name, column in policy.ledger.items()
        ],
        "rollups": [
            {
                "name": name,
                "description": rollup.description,
                "purpose": rollup.purpose,
                "dpv": policy.purposes[rollup.purpose].dpv,
                "source": rollup.source,
                "dimensions": ["site", "hour", *rollup.dimensions],
                "days": rollup.days(policy),
                "measures": [
                    {
                        "name": key,
                        "description": measure.description,
                        "field": measure.field,
                        "days": rollup.measure_days(policy, key),
                    }
                    for key, measure in rollup.measures.items()
                ],
            }
            for name, rollup in load_rollups().items()
        ],
        "events": [
            {
                "name": name,
                "description": rule.description,
                "data_category": rule.data_category,
                "purposes": list(rule.purposes),
                "consent_category": rule.consent_category,
                "sender_may_choose": rule.sender_may_choose,
            }
            for name, rule in policy.events.items()
        ],
        "never_collected": [
            {"name": name, "section": category.section, "dpv": category.dpv}
            for name, category in policy.data_categories.items()
            if not category.collected
        ],
        "rights": [
            {"name": name, "section": right.section, "article": right.article}
            for name, right in policy.rights.items()
        ],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n"


def inventory_markdown(policy: Policy) -> str:
    """Return the inventory by kind of data, with purposes and rights."""
    lines = [
        f"# Data inventory, policy of {policy.version}",
        "",
        "Derived from schemas/policy.toml by `kastana policy inventory`.",
        "",
    ]
    for name, category in policy.data_categories.items():
        lines += [f"## {category.title} (section {category.section})", ""]
        lines += [f"{category.description}. `{category.dpv}`", ""]
        if not category.collected:
            lines += ["**Never collected here.**", ""]
            continue
        fields = _field_table(policy, category=name)
        ledger = _ledger_table(policy, category=name)
        if len(fields) > _EMPTY_TABLE:
            lines += fields
        if len(ledger) > _EMPTY_TABLE:
            lines += ["In the ledger of consent choices:", "", *ledger]
    lines += _rollups(policy)
    lines += ["", "## Purposes", "", "| purpose | section | DPV | served here |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {purpose.title} | {purpose.section} | `{purpose.dpv}` "
        f"| {'yes' if purpose.used else 'no'} |"
        for purpose in policy.purposes.values()
    ]
    lines += ["", "## Rights", "", "| right | section | GDPR |", "|---|---|---|"]
    lines += [
        f"| {right.title} | {right.section} | {right.article} |"
        for right in policy.rights.values()
    ]
    return "\n".join(lines) + "\n"


def privacy_markdown(policy: Policy) -> str:
    """Return the tables of fields of PRIVACY.md: those of events, the ledger's."""
    lines = [
        *_field_table(policy, category=None),
        "## Ledger of consent choices",
        "",
        f"{policy.tables['consents'].description}.",
        "It is the proof that a choice was made, kept whatever the choice was; no",
        "address and no agent string is in it.",
        "",
        *_ledger_table(policy, category=None),
        *_rollups(policy),
        "",
    ]
    return "\n".join(lines)


def _field_table(policy: Policy, category: str | None) -> list[str]:
    lines = [
        "| field | what it is | consent | with a pseudonym | without | counted | days |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, field in policy.fields.items():
        if category is None or field.data_category == category:
            remains = " | ".join(_word(field, shape) for shape in SHAPES)
            days = policy.retention[field.retention].days
            lines.append(
                f"| `{name}` | {field.description} | {field.consent_category} "
                f"| {remains} | {days} |"
            )
    return [*lines, ""]


def _ledger_table(policy: Policy, category: str | None) -> list[str]:
    lines = ["| field | what it is | purposes | days |", "|---|---|---|---|"]
    for name, column in policy.ledger.items():
        if category is None or column.data_category == category:
            purposes = ", ".join(
                policy.purposes[name].title for name in column.purposes
            )
            days = policy.retention[column.retention].days
            lines.append(f"| `{name}` | {column.description} | {purposes} | {days} |")
    return [*lines, ""]


def _rollups(policy: Policy) -> list[str]:
    lines = [
        "## Rollups",
        "",
        "Totals that are kept beside the events and made of them alone: what is erased or",
        "withdrawn there leaves them too, within the same time.",
    ]
    for name, rollup in load_rollups().items():
        keys = ", ".join(f"`{key}`" for key in ("site", *rollup.dimensions))
        measures = "; ".join(
            f"`{key}`: {measure.description}"
            + (f", as `{measure.field}`" if measure.aggregate == "distinct" else "")
            + f", {rollup.measure_days(policy, key)} days"
            for key, measure in rollup.measures.items()
        )
        lines += ["", f"- `{name}`, by the hour and {keys}: {measures}."]
    return lines


def _word(field: Field, shape: str) -> str:
    what = {
        "identified": field.identified,
        "anonymous": field.anonymous,
        "counted": field.counted,
    }[shape]
    return _WORDS.get(what, what.replace("_", " "))


def _field_object(policy: Policy, name: str) -> dict[str, object]:
    field = policy.fields[name]
    return {
        **_column_object(policy, name, field),
        "consent_category": field.consent_category,
        "remains": {
            "identified": field.identified,
            "anonymous": field.anonymous,
            "counted": field.counted,
        },
    }


def _column_object(policy: Policy, name: str, column: Column) -> dict[str, object]:
    category = policy.data_categories[column.data_category]
    kept = policy.retention[column.retention]
    return {
        "name": name,
        "type": column.type,
        "description": column.description,
        "data_category": column.data_category,
        "section": category.section,
        "dpv": category.dpv,
        "purposes": [
            {"name": purpose, "dpv": policy.purposes[purpose].dpv}
            for purpose in column.purposes
        ],
        "retention": {
            "days": kept.days,
            "reason": kept.reason,
            "section": policy.retention_reasons[kept.reason].section,
        },
    }
