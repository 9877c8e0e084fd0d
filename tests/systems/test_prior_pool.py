"""Which image priors learn from images without labels, and what is said of those that do not."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from labelmint.errors import InputError
from labelmint.runs.request import make_request
from labelmint.runs.train import train
from labelmint.runs.unlabelled import check_shares
from labelmint.systems.catalogue import SYSTEMS, learning_from_pools, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts, Wired
from labelmint.training.adversarial import Adversarial
from labelmint.training.likelihood import Likelihood
from labelmint.training.minimize import Minimize
from labelmint.types import Batch, LayoutBatch
from tests.helpers import digits, tiny_settings
from tests.systems.test_transfer import pool
from tests.tokenizers.pairs import SYMBOLS, boxes
from tests.training.test_regimes import pairs

WITH_TOKENS = ["msgnet", "pre-msgnet", "no-comp-msgnet", "msgnet-vq2", "vqvae-t", "vqgan-t"]


def wired(system: str, images: int, *more: str) -> Wired:
    torch.manual_seed(0)
    settings = with_values(
        settings_of(system, "tiny"), [*(f"{k}={v}" for k, v in tiny_settings(system).items()), *more]
    )
    return SYSTEMS[system].wire(settings, Facts(1, (16, 16), SYMBOLS, pool=images))


def priors(system: str) -> list[str]:
    return ["top_prior", "bottom_prior"] if system == "msgnet-vq2" else ["prior"]


@pytest.mark.parametrize("system", WITH_TOKENS)
def test_priors_that_can_do_without_a_layout_learn_from_half_of_each_batch(system: str) -> None:
    dropping = [f"{name}.condition_dropout=0.1" for name in priors(system)]
    for images, more, share in ((9, dropping, 0.5), (0, dropping, 0.0), (9, [], 0.0)):
        for stage in wired(system, images, *more).stages:
            if isinstance(stage.regime, Likelihood):
                assert stage.regime.unlabelled == (share if stage.name in priors(system) else 0)
            elif stage.name == "tokenizer":
                assert isinstance(stage.regime, Minimize | Adversarial)
                assert stage.regime.unlabelled == 0.5
    some = [f"{name}.unlabelled=0.2" for name in priors(system)]
    found = {stage.name: stage.regime for stage in wired(system, 9, *dropping, *some).stages}
    assert all(getattr(found[name], "unlabelled", None) == 0.2 for name in priors(system))
    with pytest.raises(
        InputError, match=rf"--set {priors(system)[0]}.unlabelled=0.2: .*condition_dropout=0.1"
    ):
        wired(system, 9, *some)


@pytest.mark.parametrize("system", ["pre-msgnet", "no-comp-msgnet", "msgnet-vq2", "vqvae-t"])
def test_their_tokens_of_an_image_are_the_same_whatever_its_layout(system: str) -> None:
    assert _apart(system) == 0


@pytest.mark.parametrize("system", ["mint", "svqvae-t", "cvq-vae"])
def test_systems_whose_tokens_hang_on_the_layout_take_no_pool(system: str) -> None:
    assert _apart(system) > 0
    assert system not in learning_from_pools()


@pytest.mark.parametrize(
    ("system", "shares", "said"),
    [
        (
            "pre-msgnet",
            ("0.5", "0.1"),
            "there are no images without labels; give some with --unlabelled, or leave it out",
        ),
        ("pre-msgnet", ("0.5", "0"), "set prior.condition_dropout=0.1, too, or leave it out"),
        ("mint", ("0.5", "0.1"), "mint learns from pairs alone; leave it out, or train one of msgnet, "),
        ("pre-msgnet", ("1", "0.1"), "must be less than or equal to 0.9"),
    ],
)
def test_a_share_that_nothing_can_be_made_of_is_refused_in_one_line(
    system: str, shares: tuple[str, str], said: str, tmp_path: Path
) -> None:
    settings = dict(zip(("prior.unlabelled", "prior.condition_dropout"), shares, strict=True))
    beside = pool() if shares[1] == "0" else None
    with pytest.raises(InputError, match=rf"--set prior.unlabelled=[\d.]+: .*{said}") as refused:
        train(digits(), tmp_path / "run", system=system, preset="tiny", unlabelled=beside, settings=settings)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("system", "key"),
    [
        ("flow", "generator.unlabelled"),
        ("msgnet", "tokenizer.unlabelled"),
        ("vqvae-t", "tokenizer.unlabelled"),
    ],
)
def test_a_share_of_images_that_are_not_there_is_refused_where_it_is_not_the_usual_one(
    system: str, key: str
) -> None:
    for share in (0.3, 0, 0.5):
        request = make_request(system=system, preset="tiny", settings={key: str(share)})
        with (
            pytest.raises(InputError, match=f"--set {key}=0.3: there are no images without labels")
            if share == 0.3
            else nullcontext()
        ):
            check_shares(request, None)
        check_shares(request, "images")


def _apart(system: str) -> int:
    """Image tokens that differ where the layouts do."""
    made = wired(system, 0)
    module = made.stages[0].module.eval()
    if system == "mint":
        made.stages[0].regime.begin(module, pairs(4, 0), "tokenizer")
    batch = boxes(4)
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in module.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
        other = Batch(batch.image, LayoutBatch(batch.layouts.ids.flip(0)))
        before, after = (module.encode(each) for each in (batch, other))
    return sum(int((before[name] != after[name]).sum()) for name in before if name != "semantics")
