#!/usr/bin/python3
"""Draws how the tracking store's cost grows: growth.py RESULTS DOCS

RESULTS holds one file of the bench's JSON lines a size (1000000.jsonl …). Prints a table and writes
DOCS/tracking-growth.svg and DOCS/tracking-measures.md. No library beyond Python's own.
"""
import html
import json
import math
import pathlib
import sys

# Figure, unit, what it is called in the table, goals and how the panel is scaled.
PANELS = [
    ("append durable", "messages/s", "Append, durable", "linear"),
    ("bytes on disk, sealed and compacted", "bytes/message", "Bytes a message, at rest", "linear"),
    ("one observable, warm p50", "ms", "One observable, warm, p50", "log"),
    ("one observable, warm p99", "ms", "One observable, warm, p99", "log"),
    ("one observable, cold p99", "ms", "One observable, cold, p99", "log"),
    ("subject contains, rare, slowest", "s", "Subject contains, rare", "log"),
    ("top senders of 30 days", "ms", "Top senders, 30 days", "log"),
    ("retro-hunt", "s", "Retro-hunt", "log"),
    ("restart", "s", "Restart", "log"),
    ("resident", "MB", "Resident memory", "log"),
    ("visible after acknowledgement p99, 100 in flight", "ms", "Visible, p99", "log"),
    ("watch", "ns/message", "Watch of 10 M", "linear"),
]
OURS = "mailreeve"


def read(folder):
    """{size: {(system, figure): line}}"""
    sizes = {}
    for path in sorted(folder.glob("*.jsonl"), key=lambda p: int(p.stem)):
        lines = {}
        for text in path.read_text().splitlines():
            line = json.loads(text)
            figure = line["figure"]
            for long in ("retro-hunt of", "watch of"):
                if figure.startswith(long):
                    figure = long.split()[0]
            lines[line["system"], figure] = line
        sizes[int(path.stem)] = lines
    return sizes


def number(value):
    if value is None:
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - int(math.floor(math.log10(abs(value)))))
    return f"{value:,.{min(digits, 4)}f}"


def size_name(size):
    return f"{size // 1_000_000} M" if size % 1_000_000 == 0 else f"{size:,}"


def table(sizes):
    head = ["figure", "unit", *map(size_name, sizes), "goal"]
    rows = []
    for figure, unit, name, _ in PANELS:
        lines = [found.get((OURS, figure)) for found in sizes.values()]
        if not any(lines):
            continue
        cells = [number(line["value"]) + ("" if line.get("met", True) else " ✗") if line else "–" for line in lines]
        goals = [line["goal"] for line in lines if line and "goal" in line]
        rows.append([name, unit, *cells, number(goals[-1]) if goals else ""])
    return head, rows


def markdown(head, rows):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * 2 + "---:|" * (len(head) - 2)]
    return "\n".join(out + ["| " + " | ".join(row) + " |" for row in rows])


def plain(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths)))
        for row in [head, *rows])


def nice_ticks(low, high, scale):
    if scale == "log":
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        if first == last:
            last += 1
        return [10.0 ** e for e in range(first, last + 1)]
    raw = high / 3
    step = 10 ** math.floor(math.log10(raw))
    for factor in (1, 2, 2.5, 5, 10):
        if step * factor >= raw:
            step *= factor
            break
    return [step * i for i in range(math.ceil(high / step) + 1)]


def short(value):
    for limit, sign in ((1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:g}{sign}"
    return f"{value:g}"


def draw(sizes):
    columns, wide, tall, gap, top = 4, 250, 178, 22, 74
    shown = [panel for panel in PANELS if any((OURS, panel[0]) in found for found in sizes.values())]
    rows = math.ceil(len(shown) / columns)
    width = columns * wide + (columns + 1) * gap
    height = top + rows * (tall + gap) + 34
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" role="img" '
        'aria-label="Cost of the tracking store as it grows">',
        "<style>.t{font-size:13px;font-weight:600;fill:#1b2733}.u{font-size:11px;fill:#5c6b7a}.v{font-size:11px;"
        "font-weight:600;fill:#0b5cad}.g{stroke:#e3e8ed}.goal{stroke:#2f9e5b;stroke-dasharray:5 4}"
        ".l{stroke:#0b5cad;stroke-width:2;fill:none}.d{fill:#0b5cad}.miss{fill:#c2410c}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{gap}" y="32" font-size="19" font-weight="700" fill="#1b2733">How cost grows with the messages held</text>',
        f'<text x="{gap}" y="52" class="u">Same generator and program, '
        f'{html.escape(", ".join(map(size_name, sizes)))} messages. Green: the goal. Orange: goal missed.</text>',
    ]
    logs = [math.log10(size) for size in sizes]
    for at, (figure, unit, name, scale) in enumerate(shown):
        x0 = gap + (at % columns) * (wide + gap)
        y0 = top + (at // columns) * (tall + gap)
        left, right, upper, lower = x0 + 46, x0 + wide - 16, y0 + 46, y0 + tall - 24
        points = [(lg, found[OURS, figure]) for lg, found in zip(logs, sizes.values()) if (OURS, figure) in found]
        values = [max(line["value"], 1e-6) for _, line in points]
        goals = [line["goal"] for _, line in points if line.get("goal")]
        ticks = nice_ticks(min(values + goals), max(values + goals), scale)
        low, high = ticks[0], ticks[-1]

        def y(value):
            part = (math.log10(value / low) / math.log10(high / low)) if scale == "log" else (value - low) / (high - low)
            return lower - part * (lower - upper)

        def x(lg):
            return (left + right) / 2 if len(logs) == 1 else left + 24 + (lg - logs[0]) / (logs[-1] - logs[0]) * (right - left - 44)

        out.append(f'<rect x="{x0}" y="{y0}" width="{wide}" height="{tall}" rx="8" fill="#f8fafb" stroke="#e3e8ed"/>')
        out.append(f'<text x="{x0 + 12}" y="{y0 + 20}" class="t">{html.escape(name)}</text>')
        out.append(f'<text x="{x0 + 12}" y="{y0 + 35}" class="u">{html.escape(unit)}</text>')
        step = max(1, math.ceil(len(ticks) / 5))
        for tick in ticks[::step]:
            out.append(f'<line class="g" x1="{left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
            out.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" class="u" text-anchor="end">{short(tick)}</text>')
        for goal in sorted(set(goals)):
            out.append(f'<line class="goal" x1="{left}" x2="{right}" y1="{y(goal):.1f}" y2="{y(goal):.1f}"/>')
        path = " ".join(f"{x(lg):.1f},{y(value):.1f}" for (lg, _), value in zip(points, values))
        out.append(f'<polyline class="l" points="{path}"/>')
        for (lg, line), value in zip(points, values):
            missed = "" if line.get("met", True) else " miss"
            out.append(f'<circle class="d{missed}" cx="{x(lg):.1f}" cy="{y(value):.1f}" r="4"/>')
            above = y(value) - 9 if y(value) - 18 > upper - 8 else y(value) + 17
            out.append(f'<text x="{x(lg):.1f}" y="{above:.1f}" class="v{missed}" text-anchor="middle">{number(value)}</text>')
        for lg, size in zip(logs, sizes):
            out.append(f'<text x="{x(lg):.1f}" y="{lower + 16}" class="u" text-anchor="middle">{size_name(size)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def peers(sizes):
    """Figures of peers, at the size of each."""
    out = []
    for found in sizes.values():
        systems = sorted({system for system, _ in found} - {OURS})
        for system in systems:
            for (of, figure), line in found.items():
                if of == system:
                    value = line.get("missing") or f"{number(line['value'])} {line['unit']}"
                    held = f"{line['messages']:,}" if "messages" in line else "–"
                    out.append(f"| {system} | {held} | {figure} | {value} | {line.get('note', '')} |")
    return out


def scores(sizes):
    bad = sum(1 for found in sizes.values() for (_, figure), line in found.items()
              if figure.startswith(("recall", "precision")) and line["value"] != 1)
    kinds = len({figure for found in sizes.values() for (_, figure) in found if figure.startswith("recall")})
    return f"Recall and precision are 1 for all {kinds} kinds of question at every size." if bad == 0 else \
        f"**{bad} figures of recall or precision are not 1**; see the JSON lines."


def main():
    folder, docs = map(pathlib.Path, sys.argv[1:3])
    sizes = read(folder)
    if not sizes:
        sys.exit(f"growth.py: no results (*.jsonl) in {folder}; run ./bench tracking --growth")
    head, rows = table(sizes)
    print(plain(head, rows))
    (docs / "tracking-growth.svg").write_text(draw(sizes))
    page = ["# Measures of the tracking store", "",
            "Made by `./bench tracking --growth`; what each figure is and how it is taken: `benchmarks/README.md`. "
            "✗: the goal is missed.", "", markdown(head, rows), "", scores(sizes), "", "![](tracking-growth.svg)", ""]
    beside = peers(sizes)
    if beside:
        page += ["## Beside it, same data, same run", "", "| system | messages | figure | value | |", "|---|---:|---|---:|---|", *beside, ""]
    (docs / "tracking-measures.md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
