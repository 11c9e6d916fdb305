/**
 * A finite double as Python's `str` writes it, which is how Feast turns a number into a text join key: the shortest digits
 * that read back as the same number, always with a point or an exponent, the exponent from 1e16 and below 1e-4.
 */
export function pythonNumberText(value: number): string {
  const [digits = '', exponentText = '0'] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const sign = exponent < 0 ? '-' : '+';
    return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  // No exponent in this range: JavaScript writes it from 1e21 and below 1e-6 only.
  const text = Math.abs(value).toString();
  return `${sign}${text.includes('.') ? text : `${text}.0`}`;
}
