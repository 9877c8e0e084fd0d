"""Table 1 of the MSGNet papers, CLEVR at 64x64: the papers' systems on 2 to 4 objects of 24 classes.

    python -m experiments.table1_clevr --data DIR --runs msgnet=RUN pre-msgnet=RUN ... --out DIR [-n 2000]
    [--seeds 2]

See `experiments.table1` for what is measured; --help prints the commands that make the data and the runs.
"""

from __future__ import annotations

import sys

from experiments.table1 import main
from experiments.table1_settings import Published, TableOne

__all__ = ["CLEVR"]

CLEVR = TableOne(
    name="table1_clevr",
    title="Table 1, CLEVR",
    composition=None,
    published=(
        Published("BigGAN", None, None, 122.3, "short"),
        Published("Pix2Pix", 0.745, 0.731, 99.1, "short"),
        Published("No-Comp MSGNet", 0.711, 0.797, 65.7, "short"),
        Published("pre-MSGNet", 0.738, 0.843, 57.3, "long and short (FID: short)"),
        Published("GAN + Object Pathways (obj-cGAN)", 0.573, 0.563, 114.6, "long and short (FID: short)"),
    ),
    differs=(
        "the papers: 25,000 images rendered with Blender and labels of boxes; here labelmint's own rendering "
        "with exact outlines, as many "
        "as --data holds",
        "biggan draws images alone, which have image figures alone; obj-cgan sees boxes, and its samples are labelled "
        "with the test part's outlines, which it did not see; msgnet and cvq-vae have no CLEVR row in the papers",
    ),
    commands="""\
  labelmint datasets make clevr-64 -n 25000 --out clevr-64
  for each SYSTEM of biggan, pix2pix, no-comp-msgnet, pre-msgnet, obj-cgan and, beside the papers, msgnet, cvq-vae,
  mint:
  labelmint train clevr-64 --system SYSTEM --preset small --size 64x64 --max-minutes 25 --out runs/SYSTEM
""",
)

if __name__ == "__main__":
    sys.exit(main(CLEVR))
