"""Sizes that a network can't see are refused before anything is loaded."""

import pytest
import torch

from labelmint.errors import InputError
from labelmint.systems.adversary import AdversaryTraining
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts, Wired


def wired(system: str, size: tuple[int, int], **values: str) -> Wired:
    chosen = {"generator.doublings": "5", "generator.discriminator_scales": "1"} if system != "biggan" else {}
    chosen |= {"generator.doublings": "5"} | {f"generator.{name}": value for name, value in values.items()}
    with torch.device("meta"):
        return SYSTEMS[system].wire(with_values(settings_of(system, "tiny"), chosen), Facts(1, size, 2))


@pytest.mark.parametrize("system", ["spade", "biggan", "bachgan"])
def test_a_network_that_would_normalize_a_single_place_is_refused(system: str) -> None:
    for values in ({"norm": "instance"}, {"norm": "batch", "batch_size": "1"}):
        with pytest.raises(InputError, match=r"take generator\.doublings=4, or larger images"):
            wired(system, (32, 32), **values)
        assert values["norm"] == "batch" or wired(system, (32, 64), **values)
    assert wired(system, (32, 32), norm="batch", batch_size="2")
    with pytest.raises(InputError, match="one place"):
        wired(system, (32, 32), norm="batch", batch_size="2", accumulate="2")


def test_of_the_items_that_are_drawn_again_one_by_itself_can_t_be_normalized_either() -> None:
    with pytest.raises(InputError, match="one place"):
        wired("bachgan-apart", (32, 32), norm="batch", batch_size="7")
    assert wired("bachgan-apart", (32, 32), norm="batch", batch_size="8")


def test_a_layout_encoder_that_leaves_one_place_of_one_item_is_refused() -> None:
    def boxes(size: tuple[int, int], **values: str) -> Wired:
        chosen = {f"generator.{name}": value for name, value in values.items()}
        with torch.device("meta"):
            return SYSTEMS["obj-cgan"].wire(
                with_values(settings_of("obj-cgan", "tiny"), chosen), Facts(1, size, 2)
            )

    with pytest.raises(InputError, match=r"take generator\.norm=group, more items, or larger images"):
        boxes((32, 16), norm="batch", batch_size="4", accumulate="4")
    assert boxes((32, 16), norm="batch", batch_size="4", accumulate="2")
    assert boxes((32, 16), norm="group", batch_size="1")
    assert boxes((48, 16), norm="batch", batch_size="1")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((16, 24), "24 pixels a side or more, and these have 16x24; take generator.discriminator_layers=1"),
        ((11, 64), "24 pixels a side or more, and these have 11x64; take larger images"),
    ],
)
def test_images_too_small_for_a_discriminator_of_two_sizes_are_named_as_they_are(
    size: tuple[int, int], said: str
) -> None:
    training = AdversaryTraining(discriminator_layers=2, discriminator_scales=2)
    training.check_discriminated((24, 24))
    with pytest.raises(InputError) as refusal:
        training.check_discriminated(size)
    assert said in str(refusal.value)
    mended = said.rpartition("=")[2]
    if mended.isdecimal():
        AdversaryTraining(discriminator_layers=int(mended), discriminator_scales=2).check_discriminated(size)
