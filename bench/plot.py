"""The ratios of a run as a picture: one bar for each baseline, legible on a light page and on a dark one."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results import Results
from bench.subjects import BLACKLISTED, BUDDY, KNOX_TOKENS, SIMPLEJWT, ZAP, ZAP_ROTATING
from bench.workloads import WORKLOADS

_INK = "#767b83"  # as far from white as from black
_COLOURS = {SIMPLEJWT.name: "#3b82c4", BLACKLISTED.name: "#c98a2b", KNOX_TOKENS.name: "#4f9d69"}
_OURS = (ZAP, ZAP_ROTATING, BUDDY)
_BAR = 0.8


def plot(results: Results, path: Path) -> None:
    """Write an SVG: the CPU that ZapAuth takes for a request, as a part of what each baseline does."""
    groups = [
        (workload, subject)
        for workload in WORKLOADS
        if workload.name != "login"  # a small difference of large numbers: too coarse for a picture
        for subject in _OURS
        if subject.name in results.workloads.get(workload.name, {})
    ]
    # Text stays text, and the same figures make the same file.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 10, "font.family": "sans-serif"}
    figure = Figure(figsize=(8.5, 0.5 + 0.75 * len(groups)), layout="constrained")
    axes = figure.subplots()
    for place, (workload, subject) in enumerate(groups):
        baselines = [name for name in _COLOURS if name in results.workloads[workload.name]]
        for number, name in enumerate(baselines):
            ratio = results.ratio(workload.name, subject.name, name)
            height = _BAR / len(baselines)
            at = place - _BAR / 2 + height * (number + 0.5)
            reach = [[max(ratio.median - ratio.least, 0)], [max(ratio.most - ratio.median, 0)]]
            axes.barh(at, ratio.median, height * 0.9, color=_COLOURS[name], xerr=reach, ecolor=_INK)
            axes.text(ratio.most + 0.02, at, f"{ratio.median:.2f}", color=_INK, va="center", fontsize=8)
    axes.set_yticks(range(len(groups)), [f"{workload.title}\n{subject.name}" for workload, subject in groups])
    _dress(axes)
    figure.savefig(path, transparent=True, metadata={"Date": None})


def _dress(axes: Axes) -> None:
    axes.invert_yaxis()
    axes.axvline(1, color=_INK, linewidth=1, linestyle="--")
    axes.margins(x=0.08)  # for the figures beside the bars
    axes.set_xlim(left=0)
    axes.set_xlabel("CPU for one request, server and database, as a part of the baseline's; less is better", color=_INK)
    axes.tick_params(colors=_INK, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    for name, colour in _COLOURS.items():
        axes.barh(0, 0, color=colour, label=f"to {name}")
    axes.legend(frameon=False, labelcolor=_INK, loc="upper center", bbox_to_anchor=(0.4, 1.12), ncols=3)
