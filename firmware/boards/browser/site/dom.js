// Short words for what both views do with the document.

export const element = (id) => document.getElementById(id);

export function create(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
