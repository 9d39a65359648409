// The one way the console makes nodes: text stays text, whatever a model wrote into it.

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for what stands in the picture `svg`. */
export function drawn(svg, name, attributes = {}, ...children) {
  return filled(document.createElementNS(svg.namespaceURI, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
  node.append(...children);
  return node;
}

/** An error of the server, or one of ours in the same form. */
export function problem({ message, hint }) {
  const words = [element("p", {}, element("strong", {}, message))];
  if (hint) words.push(element("p", {}, hint));
  return element("div", { class: "problem" }, ...words);
}
