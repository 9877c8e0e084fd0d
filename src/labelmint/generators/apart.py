"""The generator of `bachgan-apart`: foreground and background grow apart, each from a code of its own, and are fused
where each has its features at full size.

    q = boxes, filled, and nothing around them,    o_k, r_k = objects and background of retrieved layout k
    s_f = [fused(q, o_1 ... o_m), z_j within box j, place within the box],    s_b = fused(r_1 ... r_m)      (1)
    F = SPADE blocks(conv3(s_f), s_f),    B = SPADE blocks(linear(z_b), s_b)                                (2)
    a = ramp(boxes) sigmoid(conv3(lrelu(F))),    h = a F + (1 - a) B                                        (3)
    x = out(conv3(lrelu(h + conv3(lrelu(h)))))                                                              (4)

`fused` is that of `generators.backgrounds`. Of layout k objects are told only where they are of the class of the box
there. The ramp is 0 outside all boxes, and rises to 1 over the first 1.5 pixels within one: so each object has an
outline of its own in its box, around which the background is seen. B knows neither boxes nor their codes, and F not the
background's; the blocks of B may be told z_b beside s_b, as in `generators.spade`. So by (3) and (4) no pixel farther
than 2 from all boxes depends on the foreground's codes, and where a is 1 in all pixels nearer than 3 none depends on
the background's. The boxes are the third entity, the pose.

In training both codes come from the real image: q(z_j|x) from features that are pooled in box j, q(z_b|x) from the
image with its boxes blanked, which is to say filled with the mean color of what lies around them. New images take T(z)
where the styles of training images are fitted after training (`generators.codes`), one T for all objects and one for
backgrounds.

References:
    BachGAN: High-Resolution Image Synthesis from Salient Object Layout (a report, 2020): Section 4 and Figure 1
    Disentangled Person Image Generation (Ma et al., 2018), https://arxiv.org/abs/1712.02621: an encoder for each entity
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple, TypeAlias

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import cached

from labelmint.dials import TRUNCATION
from labelmint.generators.backgrounds import BachConfig, FusedMaps, Retrieving, bank_of
from labelmint.generators.codes import FittedCodes
from labelmint.generators.encoded import ObjectEncoder, image_encoder
from labelmint.generators.spade import beside, grown, spade_blocks
from labelmint.generators.truncation import truncated
from labelmint.layouts.boxes import BoxRule
from labelmint.nn.initial import begin_xavier
from labelmint.nn.objects import Objects, draws, objects_of
from labelmint.nn.spectral import spectral_norm
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import Batch, LayoutBatch

__all__ = ["ApartConfig", "ApartGenerator", "Redrawn"]

_RAMP = 1.5  # pixels over which a box begins
Codes: TypeAlias = tuple[Tensor, Tensor]  # of objects (B, N, D), and of the background (B, D')
_PLACE = 2  # numbers that say where in its box a pixel lies


class ApartConfig(BachConfig):
    """Sizes of the generator; the defaults are BachGAN's, with SPADE's code and Layout2Im's for objects."""

    retrieved: int = Field(3, ge=1, le=16, description="layouts whose backgrounds and objects are fused")
    code: int = Field(256, ge=1, description="numbers of the background's code, found by an image encoder")
    object_code: int = Field(
        64, ge=1, description="numbers of an object's code, found by an encoder of what boxes hold"
    )


class Redrawn(NamedTuple):
    """Images in training, what their codes are drawn from, and what changes when one of the codes is another.

    Attributes:
        image: (B, C, H, W); the last `chance` items have codes of chance, as new images have, all others those of the
            real images.
        objects, background: mean and log variance of the codes, (n, D) of all objects and (B, D') each.
        before: the last n items of `image`, which were drawn again; foreground_anew, background_anew: the same with
            another of these codes.
        outside: (n, 1, H, W), 1 outside all boxes. matte: (n, 1, H, W), a of Equation (3).
        chance: items.
    """

    image: Tensor
    objects: tuple[Tensor, Tensor]
    background: tuple[Tensor, Tensor]
    before: Tensor
    foreground_anew: Tensor
    background_anew: Tensor
    outside: Tensor
    matte: Tensor
    chance: int


class _Within(NamedTuple):
    """Where the boxes of layouts are.

    Attributes:
        top: (B, H, W) the box that is painted last at a pixel; N, the number of boxes there may be, outside all.
        place: (B, 2, H, W) where in that box a pixel lies, -1 to 1 along each side; 0 outside.
        ramp: (B, 1, H, W) as in Equation (3).
    """

    top: Tensor
    place: Tensor
    ramp: Tensor


class ApartGenerator(Retrieving, nn.Module):
    """LayoutToImage of `bachgan-apart`; it sees boxes alone, and finds backgrounds and objects for these by itself.

    Arguments:
        config: sizes. rule: which boxes stand for a layout. class_of: the class of each symbol.
        image_channels: C, 1 or 3. size: (H, W).
    """

    dials: tuple[Dial, ...] = (TRUNCATION,)
    class_of: Tensor
    boxed: Tensor

    def __init__(
        self,
        config: ApartConfig,
        rule: BoxRule,
        class_of: Sequence[int],
        image_channels: int,
        size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.config, self.rule, self.retrieved = config, rule, config.retrieved
        self.bank = bank_of(config, rule, class_of, size, objects=True)
        salient = {class_of[symbol] for symbol in rule.first}
        classes, told, widths = self.bank.nothing + 1, config.layout_channels, config.widths
        self.register_buffer("class_of", torch.tensor(class_of), persistent=False)
        self.register_buffer("boxed", torch.tensor([k in salient for k in range(classes)]), persistent=False)
        self.objects, self.backgrounds = (FusedMaps(classes, told) for _ in range(2))
        seen = told + config.object_code + _PLACE
        self.smallest = (size[0] // config.multiple, size[1] // config.multiple)
        self.foreground_begin = nn.Conv2d(seen, widths[0], 3, padding=1)
        self.foreground_blocks = spade_blocks(config, seen)
        self.background_begin = nn.Linear(config.code, widths[0] * prod(self.smallest))
        self.background_blocks = spade_blocks(config, told + config.told)
        self.matte = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.blend = spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, padding=1))
        self.to_image = nn.Conv2d(widths[-1], image_channels, 3, padding=1)
        self.output = Output(config.output)
        begin_xavier(self)
        self.tell = nn.Linear(config.code, config.told) if config.told else None
        self.background_encoder = image_encoder(
            config.encoder, image_channels, config.channels, config.code, size
        )
        self.object_encoder = ObjectEncoder(image_channels, config.channels, config.object_code)
        fitted = config.style_prior == "fitted"
        self.object_styles = FittedCodes(config.object_code) if fitted else None
        self.background_styles = FittedCodes(config.code) if fitted else None
        for fused in (self.objects, self.backgrounds):
            fused.begin()

    @property
    def noise(self) -> Noise:
        """A code for each box there may be, one behind the other, and one for the background."""
        objects = self.rule.most * self.config.object_code
        streams = (("foreground", objects), ("background", self.config.code))
        return Noise("normal", (objects + self.config.code,), streams)

    def forward(
        self,
        layouts: LayoutBatch,
        noise: Tensor,
        dials: Dials,
        image: Tensor | None = None,
        drawn: Tensor | None = None,
    ) -> Tensor | Redrawn:
        """Images (B, C, H, W) in [-1, 1] of boxes and codes = noise (B, D); layouts without backgrounds are completed,
        by one seed where nothing is alike.

        With `image`, the real images, codes are mu + sigma noise of these, but those of a quarter of the items, which
        are `drawn` (B, D), or those of other images of the batch where styles are to be fitted; this quarter is drawn
        again with the real image's foreground, and with its background.
        """
        layouts = self.completed(layouts, [(0, 0)] * len(layouts))
        within, told = self._within(layouts), self._told(layouts)
        if image is None or drawn is None:
            objects, background = self._styled(self._codes(truncated(noise, dials)))
            foreground, matte = self._foreground(told[0], within, objects)
            return self._made(foreground, matte, self._background(told[1], background))
        with cached():  # so that all are drawn with the same weights: each use of a spectral norm moves it on
            return self._redrawn(layouts, image, within, told, noise, drawn)

    def _redrawn(
        self,
        layouts: LayoutBatch,
        image: Tensor,
        within: _Within,
        told: tuple[Tensor, Tensor],
        noise: Tensor,
        drawn: Tensor,
    ) -> Redrawn:
        cut, (of_objects, of_background) = self._encoded(layouts, image, within)
        (objects, background), count = self._codes(noise), len(layouts)
        places = (cut.item, cut.slot)
        found = _drawn(of_objects, objects[places])
        own = (torch.index_put(objects, places, found), _drawn(of_background, background))
        chance = min(max(count // 4, 1), count - 1)  # of few, as in a part of a batch, one
        apart = self._codes(drawn)
        if self.object_styles is not None and count > 1:
            apart = _of_others(found[cut.there > 0], own[1], apart)
        ones, others = _exchanged(own, apart, chance)
        foreground, matte = self._foreground(told[0], within, ones[0])
        behind = self._background(told[1], ones[1])
        again = slice(count - max(chance, 1), None)
        some = _Within(*(part[again] for part in within))
        with torch.no_grad():
            another, its_matte = self._foreground(told[0][again], some, others[0][again])
            elsewhere = self._background(told[1][again], others[1][again])
        real, made = cut.there > 0, self._made(foreground, matte, behind)
        return Redrawn(
            made,
            (of_objects[0][real], of_objects[1][real]),
            of_background,
            made[again],
            self._made(another, its_matte, behind[again]),
            self._made(foreground[again], matte[again], elsewhere),
            (some.top == self.rule.most)[:, None].to(matte.dtype),
            matte[again],
            chance,
        )

    def code_of(self, batch: Batch) -> Tensor:
        """The z of the means of both codes of images, (B, D), 0 for boxes that are not there."""
        cut, ((objects, _), (background, _)) = self._found(batch)
        if self.object_styles is not None and self.background_styles is not None:
            objects, background = (
                self.object_styles.inverse(objects),
                self.background_styles.inverse(background),
            )
        codes = objects.new_zeros(len(batch), self.rule.most, self.config.object_code)
        codes = torch.index_put(codes, (cut.item, cut.slot), objects * cut.there[:, None])
        return torch.cat([codes.flatten(1), background], dim=1)

    def settle(self, batches: Iterable[Batch]) -> None:
        """Fit the styles of objects and backgrounds of training pairs, where they are to be fitted."""
        if self.object_styles is None or self.background_styles is None:
            return
        objects, backgrounds = list[tuple[Tensor, Tensor]](), list[tuple[Tensor, Tensor]]()
        with torch.no_grad():
            for batch in batches:
                cut, ((mean, log_variance), background) = self._found(batch)
                real = cut.there > 0
                objects.append((mean[real], log_variance[real]))
                backgrounds.append(background)
        self.background_styles.fit(backgrounds)
        if any(len(mean) for mean, _ in objects):
            self.object_styles.fit(objects)

    def _found(self, batch: Batch) -> tuple[Objects, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """The objects and codes of a batch, as `_encoded` has them; its layouts may lack backgrounds."""
        layouts = self.completed(batch.layouts, [(0, 0)] * len(batch))
        return self._encoded(layouts, batch.image, self._within(layouts))

    def _styled(self, codes: Codes) -> Codes:
        """Codes of z."""
        if self.object_styles is None or self.background_styles is None:
            return codes
        objects, background = codes
        return self.object_styles(objects.flatten(0, 1)).view_as(objects), self.background_styles(background)

    def _codes(self, codes: Tensor) -> Codes:
        """The codes of objects (B, N, D), and of the background (B, D')."""
        objects, background = codes.split([length for _, length in self.noise.streams], dim=1)
        return objects.unflatten(1, (self.rule.most, -1)), background

    def _encoded(
        self, layouts: LayoutBatch, image: Tensor, within: _Within
    ) -> tuple[Objects, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """The objects of a batch, mean and log variance of their codes (n, D), and of the background's (B, D')."""
        cut = objects_of(layouts, every=draws(self))
        blanked = blank(image, (within.top == self.rule.most)[:, None])
        return cut, (self.object_encoder(image, cut), self.background_encoder(blanked))

    def _within(self, layouts: LayoutBatch) -> _Within:
        assert layouts.boxes is not None
        (height, width), boxes = layouts.ids.shape[1:], layouts.boxes
        x = torch.arange(width, device=boxes.device) + 0.5
        y = torch.arange(height, device=boxes.device)[:, None] + 0.5
        x0, y0, x1, y1 = (side[..., None, None] for side in boxes[..., 1:].unbind(dim=2))
        inside = (boxes[..., :1, None] >= 0) & (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        covered, found = (inside * _painted(boxes)[..., None, None]).max(dim=1)
        top = torch.where(covered > 0, found, boxes.shape[1])
        # Beyond the edge of the image an object goes on.
        begins = [
            torch.where(at_edge, torch.inf, distance).expand(inside.shape)
            for distance, at_edge in (
                (x - x0, x0 <= 0),
                (x1 - x, x1 >= width),
                (y - y0, y0 <= 0),
                (y1 - y, y1 >= height),
            )
        ]
        ramp = torch.stack(begins).amin(dim=0).div(_RAMP).clamp(0, 1).mul(inside).amax(dim=1, keepdim=True)
        rows, placed = torch.arange(len(boxes), device=boxes.device)[:, None, None], boxes[..., 1:]
        own = torch.cat([placed, placed.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(len(boxes), 1, 4)], dim=1)[
            rows, top
        ]
        left, above, right, below = own.unbind(dim=3)
        place = torch.stack(
            [(2 * x - left - right) / (right - left), (2 * y - above - below) / (below - above)], dim=1
        )
        return _Within(top, place * (covered > 0)[:, None], ramp)

    def _told(self, layouts: LayoutBatch) -> tuple[Tensor, Tensor]:
        """What is fused of both, (B, layout_channels, H, W) each."""
        assert layouts.backgrounds is not None
        lent, nothing, query = (
            layouts.backgrounds.long(),
            self.bank.nothing,
            self.class_of[layouts.ids.long()],
        )
        query = torch.where(self.boxed[query], query, nothing)
        objects = torch.where(lent == query[:, None], lent, nothing)
        background = torch.where(self.boxed[lent], nothing, lent)
        return self.objects.fused(objects, query), self.backgrounds.fused(background)

    def _foreground(self, told: Tensor, within: _Within, codes: Tensor) -> tuple[Tensor, Tensor]:
        """F and a, of codes (B, N, D)."""
        padded = functional.pad(codes, (0, 0, 0, 1))
        rows = torch.arange(len(codes), device=codes.device)[:, None, None]
        seen = torch.cat(
            [told, padded[rows, within.top].permute(0, 3, 1, 2), within.place.to(told.dtype)], dim=1
        )
        x = self.foreground_begin(functional.interpolate(seen, self.smallest))
        found = grown(self.foreground_blocks, x, seen, self.config.staying)
        return found, within.ramp * self.matte(functional.leaky_relu(found, 0.2)).sigmoid()

    def _background(self, told: Tensor, code: Tensor) -> Tensor:
        """B, of codes (B, D')."""
        x = self.background_begin(code).unflatten(1, (-1, *self.smallest))
        told = beside(told, code, self.tell)
        return grown(self.background_blocks, x, told, self.config.staying)

    def _made(self, foreground: Tensor, matte: Tensor, background: Tensor) -> Tensor:
        """Equations (3) and (4)."""
        h = torch.lerp(background, foreground, matte.to(foreground.dtype))
        h = h + self.blend(functional.leaky_relu(h, 0.2))
        image: Tensor = self.output(self.to_image(functional.leaky_relu(h, 0.2)))
        return image


def _painted(boxes: Tensor) -> Tensor:
    """The place (B, N), from 1 on, of each of the boxes (B, N, 5) in the order that `formats.painting` paints them in:
    the larger first, of equals the first.
    """
    areas = (boxes[..., 3:].double() - boxes[..., 1:3].double()).clamp(min=0).prod(dim=2)
    return areas.argsort(dim=1, descending=True, stable=True).argsort(dim=1) + 1


def _drawn(distribution: tuple[Tensor, Tensor], noise: Tensor) -> Tensor:
    """Codes mu + sigma noise of (mu, log sigma^2)."""
    mean, log_variance = distribution
    return mean + (log_variance / 2).exp() * noise


def _of_others(objects: Tensor, backgrounds: Tensor, drawn: Codes) -> Codes:
    """Codes of objects (n, D) and backgrounds (B, D') of a batch in the places of others, as constants; where there is
    no object those that were drawn.
    """
    if not len(objects):
        return drawn[0], backgrounds.detach().roll(1, dims=0)
    picked = torch.randint(len(objects), drawn[0].shape[:2], device=objects.device)
    return objects.detach()[picked], backgrounds.detach().roll(1, dims=0)


def _exchanged(own: Codes, chance: Codes, count: int) -> tuple[Codes, Codes]:
    """Codes of objects and backgrounds where the last `count` items have those of chance, and the other way round."""
    parts = [(a[: len(a) - count], a[len(a) - count :]) for a in (*own, *chance)]
    (a, a_last), (b, b_last), (c, c_last), (d, d_last) = parts
    return (torch.cat([a, c_last]), torch.cat([b, d_last])), (torch.cat([c, a_last]), torch.cat([d, b_last]))


def blank(image: Tensor, outside: Tensor) -> Tensor:
    """Images (B, C, H, W) in whose boxes the mean of what lies outside stands; 0 where nothing does.

    Arguments:
        outside: (B, 1, H, W), true outside all boxes.
    """
    kept = outside.to(image.dtype)
    mean = (image * kept).sum(dim=(2, 3), keepdim=True) / kept.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return torch.where(outside, image, mean)
