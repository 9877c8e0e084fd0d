"""Table 1 as people read it, in Markdown."""

from __future__ import annotations

from typing import Any

from experiments.table1_settings import TableOne

__all__ = ["markdown"]

_COLUMNS = (
    ("samples judged", "judged"),
    ("real -> synthetic", "obedience.dice"),
    ("obedience ratio", "obedience.ratio"),
    ("Fréchet (judge features)", "fidelity.frechet_distance"),
    ("coverage", "fidelity.coverage"),
    ("layouts against learned rules, %", "coherence.learned_layouts"),
    ("images, %", "coherence.learned_images"),
    ("layouts against the composition, %", "coherence.composition_layouts"),
    ("images, %", "coherence.composition_images"),
    ("copies per 1,000", "memorization.copies_per_1000"),
    ("reconstruction MSE", "reconstruction.mse"),
)


def markdown(which: TableOne, found: dict[str, Any]) -> str:
    """The table, the papers' rows below it, and what differs from the papers."""
    used = [
        (title, name)
        for title, name in _COLUMNS
        if any(name in row["figures"] for row in found["rows"].values())
    ]
    head = ["run", "system", "minutes", "real + synthetic", "synthetic only", *(title for title, _ in used)]
    alone = found["dice_real_only"]["mean"]
    lines = [
        f"# {which.title}",
        "",
        f"{found['n']} samples a run, U-Nets of {found['judge_steps']} steps of 32, "
        f"seeds: {max(found['seeds'], 1)} (mean; each in table1.json), "
        f"{found['real_pairs']['learned']} real training pairs (the systems learned from "
        f"{found['real_pairs']['training']}), {found['real_pairs']['test_views']} test views of "
        f"{found['size'][0]}x{found['size'][1]}.",
        f"Dice with real pairs alone: **{_text(alone)}**. In brackets the same figure of real data.",
        "",
        "| " + " | ".join(head) + " |",
        "| " + " | ".join(["---"] * 2 + ["---:"] * (len(head) - 2)) + " |",
    ]
    for name, row in found["rows"].items():
        smoke = " (smoke test)" if row["smoke_test"] else ""
        both = row["dice_real_and_synthetic"]["mean"]
        change = f" ({both - alone:+.3f})" if both is not None and alone is not None else ""
        cells = [name + smoke, row["system"], f"{row['trained_minutes']:g}", _text(both) + change]
        cells += [
            _text(row["dice_synthetic_only"]["mean"]),
            *(_figure_text(row["figures"].get(figure)) for _, figure in used),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "As printed:",
        "",
        "| system | DICE / F1 (accuracy) | DICE / F1 (diversity) | FID | paper |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for one in which.published:
        cells = [
            one.system,
            *(_text(value) for value in (one.accuracy, one.diversity)),
            f"{one.fid:g}" if one.fid else "-",
            one.paper,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "What differs from the papers:", "", *(f"- {line}" for line in (*which.differs, *_DIFFERS))]
    return "\n".join(lines) + "\n"


_DIFFERS = (
    "the papers name neither the U-Net, its training, how many samples were added, nor how Dice was "
    "averaged; ours are above",
    '"accuracy" is in the long paper the score after adding the samples, in the short one a "baseline '
    'performance on generated data"; both '
    "readings stand in columns of their own",
    "Fréchet distances on the features of our own U-Net are not FID, and only comparable within one table",
)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _figure_text(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    beside = "" if figure["real"] is None else f" [{figure['real']:.3g}]"
    return f"{figure['value']:.3g}{beside}"
