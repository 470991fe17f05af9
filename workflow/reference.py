"""Write anew what readers see in results/reference, from the CSV files that are stored there.

    python workflow/reference.py            every run that has a run.json
    python workflow/reference.py loss full  only these

The measurements of single clips are not stored, so this makes what the stored tables say alone: the
texts of Tables 2 and 3, lips, heads and claims, the paper's tables beside them (tables.md), the
pictures of the claims, of the training curves (Figure 5, without the lines of ground truth and
Static, whose validation scores are not stored) and of what a profile sweeps, and the claims of the
main runs together (claims.md and claims.png beside the runs). The other pictures stay as the runs
drew them. No measured number is touched: of the CSV files only claims.csv and truth_differences.csv
change, where today's tolerances and looks (`looks` of the profile) decide otherwise than the run's.
"""

import sys
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from mssync.study import report
from mssync.study.claims import (
    CLAIMS,
    claims_with,
    claims_with_official,
    curve_differences,
    curve_pairs,
    decided_again,
)
from mssync.study.figures import ablated, figure5, plot_sweep
from mssync.study.outputs import markdown, write_figure, write_table, write_text
from mssync.study.paper import paper_tables, tables_text
from mssync.study.profiles import load_profile
from mssync.study.run import finished_run
from mssync.study.tables import method_styles
from mssync.study.truth import first_frame, truth_text, with_trainings
from mssync.study.verdicts import (
    HOW,
    about_run,
    best_evidence,
    claims_text,
    curve_text,
    grid_cells,
    grid_table,
    looks_of,
    plot_claims,
    plot_grid,
    plot_words,
)

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results/reference"
TOGETHER = ("loss", "full", "grid_s1", "heads")  # the runs whose claims stand beside one another


def draw(fig, path: Path, dpi: int = 110):
    "Write a figure and forget it."
    write_figure(fig, path, dpi)
    plt.close(fig)


def read(folder: Path, name: str) -> pd.DataFrame | None:
    "A stored table, where the run has it."
    path = folder / f"{name}.csv"
    if not path.is_file():
        return None
    df = pd.read_csv(path, dtype=dict(letter=str, looks=str))
    return df.fillna(dict(looks="")) if "looks" in df else df


def why_no_pauses(lips: pd.DataFrame) -> str:
    "What lips.md says where the stored rows have no pauses."
    has = lips.metric.isin(report.IN_PAUSES.values()).any()
    return (
        "" if has else "Not computed: too few clips with a pause, or no loudness in the features."
    )


def texts(run):
    "Tables 2 and 3, lips and heads, and the paper's tables beside them."
    folder = run.results
    note = run.note
    lengths = run.lengths
    table3 = read(folder, "table3")
    table2 = read(folder, "table2")
    lips = read(folder, "lips")
    heads = read(folder, "heads")
    text = report.synchrony_text(table3, run.labels, lengths["sync"], note)
    write_text(text, folder / "table3.md")

    why = "they need `evaluation: {images: true}` in the profile"
    absent = [f"{what}: not computed, {why}" for what in ("FID and t-FID", "FVD")]
    motion = list(lengths["motion"].values())
    ratios = read(folder, "dynamics_ratios")
    write_text(
        report.dynamics_text(table2, ratios, motion, absent, note=note), folder / "table2.md"
    )
    write_text(report.lips_text(lips, run.title, why_no_pauses(lips), note), folder / "lips.md")
    write_text(report.heads_text(heads, run.title, note), folder / "heads.md")
    if (folder / "tables.md").is_file():
        lent = (folder / "table4.csv").is_file()
        write_text(tables_text(paper_tables(run, lent)), folder / "tables.md")


def pictures(run):
    "Figure 5 and the sweep."
    folder = run.results
    labels = run.labels
    logs = read(folder, "figure5")
    table3 = read(folder, "table3")
    ratios = read(folder, "dynamics_ratios")
    conf = table3[(table3.metric == "AV-Conf") & (table3.scoring == "overlap")]
    style = method_styles(list(labels.values()), list(labels.values()))
    begin = run.settings["training"]["teacher_steps"]
    fig = figure5(logs, ablated(labels, run.full), style, begin=begin)
    draw(fig, folder / "figure5.png")

    if run.swept:
        durations = run.lengths["durations"]
        fig = plot_sweep(conf, ratios, run.swept, (durations[0], durations[-1]))
        draw(fig, folder / "sweep.png")


@cache
def with_looks(folder: Path):
    "A finished run, with the looks of its profile: older records do not say them."
    run = finished_run(folder)
    looks = load_profile(run.record["profile"])["looks"]
    run.record["settings"] = dict(looks=looks) | run.record["settings"]
    return run


def runs_beside(folder: Path) -> dict:
    "corpus -> run: this folder's own, and those whose claims stand beside it."
    return {r.title: r for r in map(with_looks, [*map(REFERENCE.joinpath, TOGETHER), folder])}


def about_stored(parts: pd.DataFrame, folder: Path) -> list[str]:
    "A line for each run of a stored claims.csv: this folder's own, and those beside it."
    known = runs_beside(folder)
    lines = []
    for name in parts.run.unique():
        run = known[name]
        line = about_run(name, run.record, run.facts, run.seeds)
        lines.append(line + ("" if run.results == folder else f" (../{run.results.name})"))
    return lines


def claims_asked(parts: pd.DataFrame, folder: Path) -> dict:
    "The claims that a stored claims.csv decides: those of baselines too, where its runs have some."
    known = runs_beside(folder)
    compared = {k: n for name in parts.run.unique() for k, n in known[name].compared.items()}
    official = parts[parts.letter == "j"].b.unique()
    return claims_with_official(list(official), claims_with(compared))


def decided_today(folder: Path) -> pd.DataFrame | None:
    "The claims of a run by today's tolerances and looks; claims.csv is written where they differ."
    parts = read(folder, "claims")
    known = runs_beside(folder)
    if parts is None:
        return None
    claims = claims_asked(parts, folder)
    by = parts.groupby("run", sort=False)
    again = pd.concat([decided_again(d, looks_of(known[n].record), claims) for n, d in by])
    if again.to_csv() != parts.to_csv():
        write_table(again, folder / "claims.csv")
    return again


def curves(run) -> str:
    "What the trainings' curves say at their end, as Markdown; empty without a comparison."
    pairs = curve_pairs(run.labels)
    looks = looks_of(run.record)
    last = run.settings["evaluation"].get("last", 3)
    if not pairs:
        return ""
    text = curve_text(curve_differences(read(run.results, "figure5"), pairs, last, looks))
    asked = "last" in run.settings["evaluation"]
    after = "" if asked else f"\nThat {last} are averaged was decided after these trainings.\n"
    return f"\n{text}{after}"


def truth(folder: Path):
    "truth.md of a run of the simulated corpus."
    run = with_looks(folder)
    rows = read(folder, "truth")
    less = read(folder, "truth_differences")
    if rows is None:
        return
    looks = looks_of(run.record)
    labels = [*run.labels.values(), *run.compared.values()]
    if less is not None:
        less = with_trainings(less, looks)
        write_table(less, folder / "truth_differences.csv")
    frames = run.lengths["durations"][-1]
    seeds = len(run.seeds)
    one = rows.iloc[0]
    about = f"{run.title}, profile {run.record['profile']}: {frames} frames of {one.clips} test "
    about += f"clips of {one.speakers} speakers; networks of {seeds} seed{'s' * (seeds > 1)}."
    tables = (
        with_trainings(rows, looks),
        read(folder, "truth_closures"),
        read(folder, "truth_lag"),
    )
    text = truth_text(about, *tables, less, labels, first_frame(frames))
    write_text(text, folder / "truth.md")


def claims(folder: Path):
    "claims.md and the two pictures of a run."
    parts = decided_today(folder)
    if parts is None:
        return
    asked = claims_asked(parts, folder)
    text = claims_text(parts, about_stored(parts, folder), asked) + curves(with_looks(folder))
    write_text(text, folder / "claims.md")
    title = f"The paper's claims: {'; '.join(parts.run.unique())}"
    draw(plot_grid(grid_cells(parts, asked), title), folder / "claims.png")
    draw(plot_claims(parts), folder / "claims_intervals.png", 80)


def claims_together():
    "The claims of the main runs in one grid, best evidence first."
    all_parts = []
    corpora = {}
    lines = []
    for name in TOGETHER:
        folder = REFERENCE / name
        run = with_looks(folder)
        parts = decided_today(folder)
        called = f"{run.facts['name']} ({name})"
        own = parts[(parts.run == run.title) & parts.letter.isin(CLAIMS)]  # what all have
        all_parts.append(own.assign(run=called))
        corpora[called] = run.title
        n = len(run.seeds)
        lines.append(
            f"- {called}: {run.title}, {n} training{'s' if n > 1 else ''}, every part in "
            f"[{name}/claims.md]({name}/claims.md)"
        )
    cells = best_evidence(grid_cells(pd.concat(all_parts, ignore_index=True)), corpora)
    title = "The paper's claims, on simulated and on real talkers"
    draw(plot_grid(cells, title), REFERENCE / "claims.png")
    draw(plot_words(cells), REFERENCE / "claims_words.png")
    text = ["# The paper's claims", "\n".join(lines), markdown(grid_table(cells)), HOW]
    write_text("\n\n".join(text) + "\n", REFERENCE / "claims.md")


def main(names: list[str]):
    folders = [REFERENCE / n for n in names] or sorted(REFERENCE.iterdir())
    for folder in folders:
        if not (folder / "run.json").is_file():
            continue
        run = with_looks(folder)
        print(f"{folder.name}: {run.title}")
        texts(run)
        pictures(run)
        claims(folder)
        truth(folder)
    claims_together()


if __name__ == "__main__":
    main(sys.argv[1:])
