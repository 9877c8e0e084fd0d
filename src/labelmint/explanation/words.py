"""What `explain` found, in a few lines for a terminal."""

from __future__ import annotations

from typing import Any

from labelmint.reports.words import interval, number, plain

__all__ = ["explain_summary"]


def explain_summary(found: dict[str, Any]) -> str:
    """Text of the content of explain.json."""
    lines = [_head(found)]
    for name, write in (
        ("paths", _paths),
        ("attention", _attention),
        ("codes", _codes),
        ("shared", _shared),
        ("comparison", _comparison),
    ):
        lines += write(found[name]) if name in found else []
    lines += [f"left out, {name}: {reason}" for name, reason in found["left_out"].items()]
    return "\n".join(lines)


def _head(found: dict[str, Any]) -> str:
    run, held = found["run"], found["held_out"]
    return plain(
        f"{run['system']} in {run['path']}: {run['parameters']:,} parameters in its tokenizer, looked at on "
        f"{held['views']:,} views of "
        f"{held['images']:,} held-out images"
    )


def _paths(found: dict[str, Any]) -> list[str]:
    lines = [
        f"held-out MSE on [-1, 1]: both paths {_mean(found['both'])}, neither "
        f"{number(found['neither']['value'])} (mean vectors of "
        f"{found['reference_views']:,} training views)"
    ]
    return lines + [
        f"  {one['path']} alone {_mean(one['mean'])}; with zeros for the other "
        f"{number(one['zeros']['value'])}"
        for one in found["alone"]
    ]


def _mean(mean: dict[str, float | None]) -> str:
    return _with_interval(mean["value"], mean)


def _with_interval(value: float | None, ends: dict[str, Any]) -> str:
    """A number, and its interval where it has one."""
    reach = interval(ends["low"], ends["high"])
    return number(value) if reach == "-" else f"{number(value)} ({reach})"


def _attention(found: dict[str, Any]) -> list[str]:
    rows, columns = found["grid"]
    classes = ", ".join(
        f"{one['name']} {one['own']:.1%} (blind {one['by_chance']:.1%})" for one in found["classes"][:6]
    )
    return [
        f"last self-attention, {found['module']} at {rows}x{columns}: adds {found['adds']:.2%} of its input "
        f"(gamma "
        f"{found['gamma']:.3f}), looks at {found['effective_cells']:.1f} of {rows * columns} cells",
        plain(f"  attention on the own class: {classes or 'no view has two classes'}"),
    ]


def _codes(found: dict[str, Any]) -> list[str]:
    return [
        f"codes of the {name}: {use['used']} of {use['entries']} used, perplexity {use['perplexity']:.1f}"
        for name, use in found.items()
    ]


def _shared(found: dict[str, Any]) -> list[str]:
    first, second = found["entropies"]
    return [
        f"tokens at one place carry {first:.2f} and {second:.2f} bits and share {found['net']:.2f} "
        f"({found['share']:.0%} of the smaller; "
        f"{found['found']:.2f} counted, {found['shuffled']:.2f} of it by chance and place)"
    ]


def _comparison(found: dict[str, Any]) -> list[str]:
    lines = ["one path against two, held-out:"]
    lines += [
        f"  {one['name']}, seed {one['seed']}: MSE {_mean(one['mse'])}, {one['parameters']:,} parameters, "
        f"{one['steps']:,} steps, "
        f"{one['tokens']:,} tokens = {one['bits']:,.0f} bits an image"
        for one in found["contestants"]
    ]
    for one in found["differences"]:
        seeds = (
            "one seed"
            if one["seeds"] == 1
            else f"{one['seeds']} seeds, which differ by up to a factor of {one['spread']:.2f}"
        )
        lines.append(f"  MSE ratio {_with_interval(one['ratio'], one)}, {seeds}: {one['verdict']}")
    return lines + [
        f"  not alike: {name}, {_value(a)} and {_value(b)}" for name, (a, b) in found["unlike"].items()
    ]


def _value(value: Any) -> str:
    """The value of a setting in words."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
