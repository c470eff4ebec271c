"""Plots of a value against another: a line or a point for each engine, in the same colors everywhere."""

import io

COLORS = {
    "Engram": "#1f6feb", "FAISS": "#cf222e", "NumPy": "#8250df", "USearch": "#1a7f37", "sqlite-vec": "#9a6700", "LanceDB": "#bf3989", "Chroma": "#e16f24",
    "hnswlib": "#0e7490", "raw LMDB": "#24292f", "py-lmdb": "#6e7781", "SQLite": "#9a6700", "GRDB": "#1a7f37",
}
# Sides of the same engine differ by their line.
STYLES = ["-", "--", ":", "-."]


def lines(title, x_label, y_label, series, ticks=None):
    """An SVG of `series`, points (x, y) by the name of the side. `ticks`: a logarithmic axis with these values of x; nothing: a linear one."""
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and two runs with the same figures write the same file.
    matplotlib.rcParams |= {"svg.hashsalt": "engram", "svg.fonttype": "none", "font.family": "sans-serif"}
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    figure, axes = plt.subplots(figsize=(9.4, 5.4), layout="constrained")
    used = {}
    for name, points in series.items():
        engine = next((engine for engine in COLORS if name.startswith(engine)), None)
        style = STYLES[used.get(engine, 0) % len(STYLES)]
        used[engine] = used.get(engine, 0) + 1
        points = sorted(points)
        axes.plot(
            [x for x, _ in points], [y for _, y in points], style, marker="o", markersize=5, label=name, color=COLORS.get(engine, "#57606a"),
            linewidth=2.4 if engine == "Engram" else 1.4)
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(NullFormatter())
    if ticks:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(plain)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(True, color="#d8dee4", linewidth=0.8)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9, frameon=False)
    output = io.StringIO()
    figure.savefig(output, format="svg", metadata={"Date": None})
    plt.close(figure)
    return output.getvalue()
