/** One line of a plot; points in the order they are joined. */
export interface PlotLine {
  readonly label: string;
  readonly colour: string;
  readonly isDashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly PlotLine[];
}

const WIDTH = 820;
const HEIGHT = 480;
const MARGIN = { left: 64, right: 200, top: 40, bottom: 52 };
const DECADE = [1, 2, 5];

/** Draws lines over two logarithmic axes, as an SVG that stands for itself. Values that are not above zero are left out. */
export function plotSvg({ title, xLabel, yLabel, lines }: Plot): string {
  const shown = lines
    .map((line) => ({ ...line, points: line.points.filter(([x, y]) => x > 0 && y > 0) }))
    .filter(({ points }) => points.length > 0);
  const x = axis(
    shown.flatMap(({ points }) => points.map((point) => point[0])),
    [MARGIN.left, WIDTH - MARGIN.right],
  );
  const y = axis(
    shown.flatMap(({ points }) => points.map((point) => point[1])),
    [HEIGHT - MARGIN.bottom, MARGIN.top],
  );
  const [left, right] = [MARGIN.left, WIDTH - MARGIN.right];
  const [top, bottom] = [MARGIN.top, HEIGHT - MARGIN.bottom];
  const middleY = (top + bottom) / 2;
  const grid = [
    ...x.ticks.map((tick) => {
      const at = round(x.at(tick));
      return `<line x1="${at}" x2="${at}" y1="${top}" y2="${bottom}" class="grid"/><text x="${at}" y="${bottom + 18}" text-anchor="middle">${tickText(tick)}</text>`;
    }),
    ...y.ticks.map((tick) => {
      const at = round(y.at(tick));
      return `<line x1="${left}" x2="${right}" y1="${at}" y2="${at}" class="grid"/><text x="${left - 8}" y="${at + 4}" text-anchor="end">${tickText(tick)}</text>`;
    }),
  ];
  const drawn = shown.map(({ points, colour, isDashed }) => {
    const path = points.map(([px, py]) => `${round(x.at(px))},${round(y.at(py))}`).join(' ');
    const dash = isDashed === true ? ' stroke-dasharray="5 4"' : '';
    const dots = points.map(
      ([px, py]) =>
        `<circle cx="${round(x.at(px))}" cy="${round(y.at(py))}" r="3" fill="${colour}"/>`,
    );
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>${dots.join('')}`;
  });
  const legend = shown.map(({ label, colour, isDashed }, i) => {
    const at = top + 10 + 19 * i;
    const dash = isDashed === true ? ' stroke-dasharray="5 4"' : '';
    return `<line x1="${right + 14}" x2="${right + 40}" y1="${at}" y2="${at}" stroke="${colour}" stroke-width="2"${dash}/><text x="${right + 46}" y="${at + 4}">${escape(label)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="${escape(title)}">
<style>.grid{stroke:#ddd}</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${left}" y="24" font-size="15">${escape(title)}</text>
${grid.join('\n')}
<text x="${(left + right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escape(xLabel)}</text>
<text x="16" y="${middleY}" text-anchor="middle" transform="rotate(-90 16 ${middleY})">${escape(yLabel)}</text>
${drawn.join('\n')}
${legend.join('\n')}
</svg>
`;
}

/** A logarithmic axis over the values, with ticks at 1, 2 and 5 of each decade (1 alone where these are many). */
function axis(
  values: readonly number[],
  [from, to]: readonly [number, number],
): { at: (value: number) => number; ticks: number[] } {
  const low = Math.log10(Math.min(...values, Number.MAX_VALUE)) - 0.05;
  const high = Math.log10(Math.max(...values, Number.MIN_VALUE)) + 0.05;
  if (!(high > low)) return { at: () => from, ticks: [] };
  const steps = high - low > 2.5 ? [1] : DECADE;
  const ticks: number[] = [];
  for (let decade = Math.floor(low); decade <= high; decade++) {
    for (const step of steps) {
      const tick = step * 10 ** decade;
      if (Math.log10(tick) >= low && Math.log10(tick) <= high) ticks.push(tick);
    }
  }
  return { at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from), ticks };
}

function tickText(value: number): string {
  return value >= 1 ? value.toLocaleString('en') : String(Number(value.toPrecision(1)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
