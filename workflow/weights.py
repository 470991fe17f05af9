"""Ship the generators and syncers of a finished run with the package, in half precision.

    make study PROFILE=longer
    python workflow/weights.py results/longer       those of seed 0 (make weights)

The generators that ship move the mean face of their training, for they will be given faces of all
kinds (`mean_face`, notebook 13_generator).
"""

import sys
from dataclasses import replace
from pathlib import Path

from mssync.model.generator import Generator
from mssync.model.weights import WEIGHTS, load_model, save_model

SHIPPED = dict(
    generator="generator_long_longer",
    generator_short="generator_short",
    metric_syncers="syncers_metric",
    loss_syncers="syncers_loss",
)


def main(run: Path):
    "Write the four files."
    for name, trained in SHIPPED.items():
        model = load_model(run / f"seed_0/{trained}.safetensors")
        if isinstance(model, Generator):
            model.cfg = replace(model.cfg, mean_face=True)
        save_model(WEIGHTS / f"{name}.safetensors", model, half=True, **model.meta)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
