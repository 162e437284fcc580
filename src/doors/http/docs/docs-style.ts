/** The stylesheet of `GET /docs`: a source like any other, so that the compiler takes it along. */

export const DOCS_STYLE = `:root {
  color-scheme: light dark;
  --ground: light-dark(#fff, #14171c);
  --raised: light-dark(#f4f6f8, #1c2129);
  --line: light-dark(#d5dbe1, #343c48);
  --text: light-dark(#1b2129, #e3e7ec);
  --faint: light-dark(#57616e, #9aa5b3);
  --accent: light-dark(#0b5cad, #7fb8f5);
  --get: light-dark(#0b5cad, #7fb8f5);
  --post: light-dark(#1a6e36, #7fd197);
  --put: light-dark(#8a5200, #e8b462);
  --delete: light-dark(#b3261e, #f5938c);
}
* {
  box-sizing: border-box;
}
html {
  scroll-padding-top: 1rem;
}
body {
  margin: 0;
  display: grid;
  grid-template-columns: minmax(15rem, 20rem) minmax(0, 1fr);
  background: var(--ground);
  color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif;
}
a {
  color: var(--accent);
  text-underline-offset: 0.15em;
}
a:focus-visible,
summary:focus-visible,
pre:focus-visible {
  outline: 2px solid var(--accent);
  outline-offset: 2px;
}
code,
pre {
  font: 0.9em/1.5 ui-monospace, 'Liberation Mono', monospace;
  overflow-wrap: anywhere;
}
.skip {
  position: absolute;
  left: -100vw;
}
.skip:focus {
  left: 1rem;
  top: 1rem;
  padding: 0.5rem 1rem;
  background: var(--ground);
  z-index: 1;
}
nav {
  position: sticky;
  top: 0;
  height: 100vh;
  overflow-y: auto;
  padding: 1.5rem;
  background: var(--raised);
  border-right: 1px solid var(--line);
  font-size: 0.9rem;
}
nav .name {
  margin: 0 0 1rem;
  font-size: 1.1rem;
  font-weight: 600;
}
nav p {
  margin: 1rem 0 0.25rem;
}
nav ul {
  margin: 0;
  padding: 0;
  list-style: none;
}
nav li a {
  display: flex;
  gap: 0.6rem;
  align-items: baseline;
  padding: 0.15rem 0;
  color: inherit;
  text-decoration: none;
}
nav li a:hover {
  text-decoration: underline;
}
nav .method {
  flex: 0 0 3.2rem;
}
.place + .optional::before {
  content: '· ';
}
main {
  max-width: 60rem;
  padding: 1.5rem clamp(1rem, 4vw, 3rem) 6rem;
}
h1 {
  margin: 0 0 1rem;
  font-size: 1.9rem;
  line-height: 1.2;
}
h2 {
  margin: 3.5rem 0 0.5rem;
  font-size: 1.4rem;
}
h3 {
  margin: 0;
  font-size: 1.1rem;
  overflow-wrap: anywhere;
}
h3 a {
  color: inherit;
  text-decoration: none;
}
h4 {
  margin: 1.5rem 0 0.5rem;
  font-size: 0.95rem;
}
article {
  margin: 1.5rem 0;
  padding: 1.25rem;
  border: 1px solid var(--line);
  border-radius: 6px;
}
article:target {
  border-color: var(--accent);
}
section > h3 {
  margin: 2rem 0 0.5rem;
}
.summary {
  margin: 0.5rem 0;
  font-weight: 600;
}
.rights,
.kind,
.place,
.optional {
  color: var(--faint);
}
.place,
.optional {
  font-size: 0.85rem;
}
.method {
  font: 700 0.75rem/1 system-ui, sans-serif;
  text-transform: uppercase;
}
.get { color: var(--get); }
.post { color: var(--post); }
.put { color: var(--put); }
.delete { color: var(--delete); }
.status {
  font-weight: 700;
  font-variant-numeric: tabular-nums;
}
.good { color: var(--post); }
.same { color: var(--get); }
.bad { color: var(--delete); }
pre {
  margin: 0 0 0.75rem;
  padding: 0.75rem 1rem;
  overflow-x: auto;
  background: var(--raised);
  border: 1px solid var(--line);
  border-radius: 4px;
}
pre code {
  font-size: 0.85rem;
  overflow-wrap: normal;
}
dl {
  margin: 0.25rem 0;
}
dt {
  margin-top: 0.6rem;
}
dd {
  margin: 0 0 0 1.1rem;
}
.schema {
  padding-left: 0.75rem;
  border-left: 2px solid var(--line);
}
.schema p,
dd p,
details p {
  margin: 0.2rem 0;
}
.schema ul {
  margin: 0.25rem 0;
  padding-left: 1.1rem;
}
.failure {
  margin: 0;
  padding: 0.25rem 0;
  border-top: 1px solid var(--line);
}
details {
  border-top: 1px solid var(--line);
  padding: 0.4rem 0;
}
summary {
  cursor: pointer;
}
details[open] > summary {
  margin-bottom: 0.5rem;
}
@media (max-width: 55rem) {
  body {
    display: block;
  }
  nav {
    position: static;
    height: auto;
    max-height: 45vh;
    border-right: 0;
    border-bottom: 1px solid var(--line);
  }
  article {
    padding: 0.9rem;
  }
}
@media print {
  nav {
    display: none;
  }
}
`;
