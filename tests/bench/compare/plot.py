"""Line plots as SVG, without a library: logarithmic axes, lines named at their ends, colours that
follow the reader's light or dark theme."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 74, 196, 62, 52
COLOURS = {  # light, dark: distinct for colour-blind readers too, and each has its own mark
    "holdfast": ("#0b63c4", "#6db1ff", "circle"),
    "centrifuge": ("#c2410c", "#ff9a62", "square"),
    "nchan": ("#15803d", "#5fd08a", "diamond"),
    "socketio": ("#7e22ce", "#c99bff", "triangle"),
}

STYLE = """
  text { font: 13px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .muted { fill: #59636e }
  .name { font-weight: 600 }
  .back { fill: #ffffff }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .axis { stroke: #818b98; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
"""
DARK = """
    text { fill: #e6edf3 }
    .muted { fill: #9198a1 }
    .back { fill: #0d1117 }
    .grid { stroke: #30363d }
    .axis { stroke: #656c76 }
"""


def colours(index):
    return "".join(f"  .{name}-stroke {{ stroke: {pair[index]} }} .{name}-fill {{ fill: {pair[index]} }}\n"
                   for name, pair in COLOURS.items())


def style():
    return (f"<style>{STYLE}{colours(0)}  @media (prefers-color-scheme: dark) {{{DARK}{colours(1)}  }}\n"
            "</style>")


def short(value):
    """1200 -> 1.2 k"""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {suffix}"
    return f"{value:.3g}"


class Axis:
    """A logarithmic scale from values to pixels, its ends at round numbers."""

    def __init__(self, values, begin, end, is_tight):
        low, high = min(values), max(values)
        if is_tight:
            self.low, self.high = math.log10(low), math.log10(high)
        else:
            self.low, self.high = math.floor(math.log10(low)), math.ceil(math.log10(high) + 1e-9)
        if self.high == self.low:
            self.high += 1
        self.begin, self.end = begin, end

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def decades(self):
        return [10 ** power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]


def mark(shape, name, x, y):
    if shape == "circle":
        return f'<circle class="{name}-fill" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if shape == "square":
        return f'<rect class="{name}-fill" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    points = {"diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
              "triangle": ((0, -5.5), (5.5, 4.5), (-5.5, 4.5))}[shape]
    path = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in points)
    return f'<polygon class="{name}-fill" points="{path}"/>'


def spread(places, gap=17):
    """Moves labels apart that would cover each other; keeps their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    placed = list(places)
    for before, after in zip(order, order[1:]):
        placed[after] = max(placed[after], placed[before] + gap)
    over = placed[order[-1]] - (HEIGHT - BOTTOM) if order else 0
    return [place - max(0, over) for place in placed] if over > 0 else placed


def line_plot(title, x_label, y_label, lines):
    """lines: [(name, its title, [(x, y), ...])]; names as in COLOURS. Returns the SVG text."""
    xs = [x for _, _, points in lines for x, _ in points]
    ys = [y for _, _, points in lines for _, y in points]
    x_axis = Axis(xs, LEFT + 12, WIDTH - RIGHT, True)
    y_axis = Axis(ys, HEIGHT - BOTTOM, TOP, False)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
           f'height="{HEIGHT}" role="img" aria-label="{escape(title)}">', style(),
           f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
           f'<text class="title" x="16" y="26">{escape(title)}</text>',
           f'<text class="muted" x="16" y="46">{escape(y_label)}</text>']
    for value in y_axis.decades():
        y = y_axis.at(value)
        out.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT + 8}" y2="{y:.1f}"/>')
        out.append(f'<text class="muted" x="{LEFT - 8}" y="{y + 4.5:.1f}" text-anchor="end">{short(value)}</text>')
    base = HEIGHT - BOTTOM
    out.append(f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT + 8}" y2="{base}"/>')
    for value in sorted(set(xs)):
        x = x_axis.at(value)
        out.append(f'<line class="axis" x1="{x:.1f}" y1="{base}" x2="{x:.1f}" y2="{base + 5}"/>')
        out.append(f'<text class="muted" x="{x:.1f}" y="{base + 20}" text-anchor="middle">{value:,}</text>')
    out.append(f'<text class="muted" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" '
               f'text-anchor="middle">{escape(x_label)}</text>')
    labels = spread([y_axis.at(points[-1][1]) for _, _, points in lines])
    for (name, shown, points), label_y in zip(lines, labels):
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline class="line {name}-stroke" points="{path}"/>')
        for (x, y), (_, value) in zip(places, points):
            out.append(f"<g>{mark(COLOURS[name][2], name, x, y)}<title>{escape(shown)}: {short(value)}</title></g>")
        out.append(f'<text class="name {name}-fill" x="{places[-1][0] + 14:.1f}" y="{label_y + 4.5:.1f}">'
                   f'{escape(shown)} {short(points[-1][1])}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
