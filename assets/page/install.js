// The page as an application of the desktop's: Gradio's own link to the manifest knows no proxy's sub-path, and
// brings no login along.

const link = document.querySelector('link[rel=manifest]');
if (link) {
  link.crossOrigin = 'use-credentials';
  link.href = new URL('manifest.json', document.baseURI).href;
}
