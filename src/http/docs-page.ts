import { OPERATIONS, type Operation } from './openapi.ts';

/** The page at `/docs`: every JSON route with a form to try it. It loads nothing from elsewhere. */
export function docsPage(version: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>sideboard ${version}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid #ccc; padding: 1rem 0; }
code, textarea, pre { font: 13px/1.4 ui-monospace, monospace; }
textarea { width: 100%; box-sizing: border-box; }
pre { background: #f4f4f4; padding: .5rem; overflow: auto; max-height: 24rem; }
</style>
</head>
<body>
<h1>sideboard ${version}</h1>
<p>Feast's JSON API; the same port speaks gRPC, Connect and gRPC-Web. As a document: <a href="openapi.json">openapi.json</a>.</p>
${OPERATIONS.map(section).join('\n')}
<script>
for (const form of document.querySelectorAll('form')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { method, path } = form.dataset;
    const options = { method, headers: { 'content-type': 'application/json' } };
    if (form.elements.body) options.body = form.elements.body.value;
    const answer = form.querySelector('pre');
    try {
      const response = await fetch('.' + path, options);
      answer.textContent = response.status + ' ' + (await response.text());
    } catch (error) {
      answer.textContent = String(error);
    }
    answer.hidden = false;
  });
}
</script>
</body>
</html>
`;
}

function section({ path, method, summary, description, example, answers }: Operation): string {
  const rows = Object.entries(answers).map(
    ([status, about]) => `<li><code>${status}</code> ${escapeHtml(about)}</li>`,
  );
  const body =
    example === undefined
      ? ''
      : `<textarea name="body" rows="6" aria-label="Body">${escapeHtml(JSON.stringify(example, null, 1))}</textarea>`;
  return `<section>
<h2><code>${method.toUpperCase()} ${path}</code></h2>
<p>${escapeHtml(summary)}. ${escapeHtml(description)}</p>
<ul>${rows.join('')}</ul>
<form data-method="${method.toUpperCase()}" data-path="${path}">${body}<button>Send</button><pre hidden></pre></form>
</section>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
