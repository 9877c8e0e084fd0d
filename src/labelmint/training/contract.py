"""The laws of a regime, for a new one to be tested against; those of other parts are in `labelmint.contracts`."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from labelmint.contracts import ContractError
from labelmint.progress import Event, Report
from labelmint.training.loop import reseed
from labelmint.training.regime import Bench, Player, Stage
from labelmint.types import Batch

__all__ = ["check_regime"]

Gradients = dict[str, Tensor]  # by the name of the parameter


def check_regime(
    make: Callable[[], Stage],
    bench_of: Callable[[str, Report], Bench],
    first: Callable[[Stage, Bench], Batch] | None = None,
) -> None:
    """The laws of a regime, on a stage of a few steps whose terms all count from the first step on.

    Honesty: the gradient of each player's first step is that of its `terms` on the same batch. Separation: these
    reach every weight of the player that learns, and none of another player. Discretion: the module holds the same
    tensors before and after, and nothing of a rival. Continuation: asked to stop by Ctrl-C, it saves, raises
    KeyboardInterrupt, and ends with the same weights to the bit when it is gone on with.

    Arguments:
        make: an untrained stage, the same each time; it evaluates before its last step.
        bench_of: a bench for a run of some name, the same folder for the same name; its report is the one given.
        first: the batch of the first step, of a stage that has begun; that of the training pairs unless given.
    """
    stage = make()
    bench = replace(bench_of("whole", lambda event: None), accumulate=1)
    held = stage.module.state_dict().keys()
    stage.regime.begin(stage.module, bench.training, stage.name)
    players = stage.regime.players(stage.module)
    _require(players[0].module is stage.module, f"the first player is {players[0].name!r}, not the module")
    batch = first(stage, bench) if first is not None else _first_batch(stage, bench)
    expected = {player.name: _gradients_of_terms(stage, bench, player, batch) for player in players}
    minimized = {player.name: _watch(player.module) for player in players}
    stage.regime.train(stage, bench)
    for name, gradients in expected.items():
        _check_alike(name, gradients, minimized[name])
    strange = sorted(held ^ stage.module.state_dict().keys())
    _require(not strange, f"the module holds other tensors after the training: {', '.join(strange[:3])}")
    _check_goes_on(make, bench_of, stage.module.state_dict())


def _first_batch(stage: Stage, bench: Bench) -> Batch:
    settings = stage.regime.settings
    return bench.training.showing(settings.shown).batch(0, settings.batch_size)


def _gradients_of_terms(stage: Stage, bench: Bench, player: Player, batch: Batch) -> Gradients:
    """Gradients of a player's terms on the batch of the first step, by copies of all networks."""
    regime = stage.regime
    copies = {one.name: copy.deepcopy(one.module) for one in regime.players(stage.module)}
    next(iter(copies.values())).train()
    reseed(bench.training.seed, stage.name, 0, 0)
    loss, _ = regime.terms(player.name, copies, batch.to(bench.fabric.device))
    torch.autograd.backward(loss)
    found: Gradients = {}
    for name, network in copies.items():
        for key, learned in player.module.named_parameters() if name == player.name else ():
            gradient = network.get_parameter(key).grad
            reached = gradient is not None and bool(gradient.isfinite().all())
            _require(
                reached or not learned.requires_grad, f"{name}: its terms give no finite gradient to {key}"
            )
            if gradient is not None:
                found[key] = gradient
        touched = next((key for key, p in network.named_parameters() if p.grad is not None), None)
        _require(name == player.name or touched is None, f"{player.name}: its terms move {touched} of {name}")
    return found


def _watch(network: nn.Module) -> Gradients:
    """The first gradient of each weight, as the training will find it before it is clipped."""
    seen: Gradients = {}

    def note(key: str) -> Callable[[Tensor], None]:
        def hook(weight: Tensor) -> None:
            if key not in seen and weight.grad is not None:
                seen[key] = weight.grad.clone()

        return hook

    for key, weight in network.named_parameters():
        if weight.requires_grad:
            weight.register_post_accumulate_grad_hook(note(key))
    return seen


def _check_alike(player: str, expected: Gradients, found: Gradients) -> None:
    _require(bool(found), f"{player}: never learns in these steps")
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for key, gradient in expected.items():
        _require(key in found, f"{player}: the training never moves {key}")
        apart = float((found[key] - gradient).abs().max())
        _require(
            apart <= 1e-4 * largest,
            f"{player}: the training minimizes something else than its terms; the gradient of {key} differs by "
            f"{apart:.2g}",
        )


def _check_goes_on(
    make: Callable[[], Stage], bench_of: Callable[[str, Report], Bench], whole: dict[str, Tensor]
) -> None:
    """Stop a training, go on, and compare with the weights of one that was never stopped."""
    stopped_at: list[int] = []
    seen: list[int] = []

    def interrupt(event: Event) -> None:
        if event.stage == stage.name and not stopped_at:
            stopped_at.append(event.step)
            signal.raise_signal(signal.SIGINT)

    def note(event: Event) -> None:
        if event.stage == stage.name:
            seen.append(event.step)

    stage = make()
    bench = replace(bench_of("stopped", interrupt), accumulate=1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who calls may ignore it
    try:
        _begin_and_train(stage, bench)
    except KeyboardInterrupt:
        saved = bench.run.load_checkpoint(stage.name) is not None
        _require(saved, f"asked to stop when it told of step {stopped_at[0]}, it saved nothing")
    else:
        raise ContractError("it goes on to the end when it is asked to stop")
    finally:
        signal.signal(signal.SIGINT, before)
    stage = make()
    _begin_and_train(stage, replace(bench_of("stopped", note), accumulate=1))
    _require(min(seen) > stopped_at[0], f"stopped after step {stopped_at[0]}, it begins anew")
    for name, value in stage.module.state_dict().items():
        _require(torch.equal(value, whole[name]), f"stopped and gone on with, it ends with another {name}")


def _begin_and_train(stage: Stage, bench: Bench) -> None:
    stage.regime.begin(stage.module, bench.training, stage.name)
    stage.regime.train(stage, bench)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractError(otherwise)
