// Two kinds of chart as SVG, without a library: lines over a few points, and bars. Every value is written beside its
// mark, so that a chart says as much as a table does.

interface ChartPoint {
  readonly label: string;
  readonly value: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly ChartPoint[];
}

export interface Chart {
  readonly title: string;
  /** What is on the vertical axis, with its unit. */
  readonly unit: string;
  readonly kind: 'lines' | 'bars';
  /** Every series has the same labels in the same order. */
  readonly series: readonly Series[];
  /** A value that is to be reached or kept; drawn as a dashed line. */
  readonly target?: { readonly value: number; readonly label: string };
  /** On which machine, when. */
  readonly note: string;
}

const WIDTH = 720;
const HEIGHT = 360;
const LEFT = 72;
const RIGHT = 24;
const TOP = 64;
const BOTTOM = 64;
const COLOURS = ['#1f6feb', '#d9730d', '#2da44e', '#8250df', '#cf222e', '#57606a'];
const GRID_LINES = 4;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const shown = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));

/** The next 1, 2, 2.5 or 5 times a power of ten. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((candidate) => candidate >= value * (1 - 1e-9))!;
}

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(content)}</text>`;

export function drawChart({ title, unit, kind, series, target, note }: Chart): string {
  const labels = series[0]!.points.map(({ label }) => label);
  const all = series.flatMap(({ points }) => points.map(({ value }) => value));
  const top = niceCeiling(Math.max(...all, target?.value ?? 0) * 1.05);
  const plotWidth = WIDTH - LEFT - RIGHT;
  const plotHeight = HEIGHT - TOP - BOTTOM;
  const yOf = (value: number): number => TOP + plotHeight * (1 - value / top);
  const slot = plotWidth / labels.length;
  const middleOf = (index: number): number => LEFT + slot * (index + 0.5);
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
      `font-family="system-ui, sans-serif" font-size="12" fill="#24292f">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 24, title, 'font-size="15" font-weight="600"'),
    text(LEFT, 42, unit, 'fill="#57606a"'),
  ];
  for (let line = 0; line <= GRID_LINES; line++) {
    const value = (top / GRID_LINES) * line;
    const y = yOf(value);
    out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="#d8dee4"/>`);
    out.push(text(LEFT - 8, y + 4, shown(value), 'text-anchor="end" fill="#57606a"'));
  }
  for (const [index, label] of labels.entries()) {
    out.push(text(middleOf(index), HEIGHT - BOTTOM + 18, label, 'text-anchor="middle"'));
  }
  for (const [number, { points }] of series.entries()) {
    const colour = COLOURS[number % COLOURS.length]!;
    if (kind === 'lines') {
      const path = points.map(({ value }, i) => `${middleOf(i).toFixed(1)},${yOf(value).toFixed(1)}`).join(' ');
      out.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
      for (const [i, { value }] of points.entries()) {
        out.push(`<circle cx="${middleOf(i).toFixed(1)}" cy="${yOf(value).toFixed(1)}" r="3.5" fill="${colour}"/>`);
        out.push(text(middleOf(i), yOf(value) - 8, shown(value), `text-anchor="middle" fill="${colour}"`));
      }
      continue;
    }
    const width = (slot * 0.7) / series.length;
    for (const [i, { value }] of points.entries()) {
      const x = middleOf(i) - slot * 0.35 + number * width;
      const y = yOf(value);
      const height = TOP + plotHeight - y;
      out.push(
        `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(width * 0.92).toFixed(1)}" height="${height.toFixed(1)}" fill="${colour}"/>`,
      );
      out.push(text(x + width * 0.46, y - 5, shown(value), 'text-anchor="middle" font-size="11"'));
    }
  }
  if (target !== undefined) {
    const y = yOf(target.value).toFixed(1);
    out.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}" stroke="#cf222e" stroke-dasharray="6 4"/>`,
      text(WIDTH - RIGHT, Number(y) - 5, target.label, 'text-anchor="end" fill="#cf222e"'),
    );
  }
  if (series.length > 1) {
    let x = LEFT;
    for (const [number, { name }] of series.entries()) {
      out.push(`<rect x="${x}" y="${HEIGHT - 36}" width="10" height="10" fill="${COLOURS[number % COLOURS.length]}"/>`);
      out.push(text(x + 15, HEIGHT - 27, name));
      x += 30 + name.length * 7;
    }
  }
  out.push(text(LEFT, HEIGHT - 8, note, 'font-size="10" fill="#57606a"'), '</svg>', '');
  return out.join('\n');
}
