// Making elements. Text is always set as text, never as markup: what the panel shows
// came from outside.

const make = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else if (value === true) node.setAttribute(name, '')
    else if (value !== false && value != null) node.setAttribute(name, value)
  }
  node.append(...children.flat(Infinity).filter((child) => child != null))
  return node
}

export const h = (tag, attributes = {}, ...children) =>
  make(document.createElement(tag), attributes, children)

export const hidden = (text) => h('span', { class: 'hidden' }, text)

export const asset = (path) => new URL(`../${path}`, import.meta.url).href

// What became of an event; the shape comes from the style sheet.
export const badge = (outcome) =>
  h('span', { class: `badge ${outcome}` }, outcome || 'asking')
