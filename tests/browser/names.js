// Controls without a name for a screen reader, ids used twice, images without an alternative.
() => {
  const found = [];
  for (const each of document.querySelectorAll(
    "button, a[href], input, select, textarea, canvas, meter, summary, [role=tab], [role=img]",
  )) {
    if (!each.checkVisibility() || each.closest("[aria-hidden=true]")) continue;
    const labelled = (each.getAttribute("aria-labelledby") || "")
      .split(" ")
      .map((id) => document.getElementById(id)?.textContent || "")
      .join("");
    const name =
      each.getAttribute("aria-label") ||
      labelled ||
      [...(each.labels || [])].map((label) => label.textContent).join("") ||
      each.textContent ||
      each.title;
    if (!name.trim()) found.push(each.outerHTML.slice(0, 120));
  }
  for (const each of document.querySelectorAll("img:not([alt])")) found.push(each.outerHTML);
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  found.push(...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `id ${id} twice`));
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main");
  return found;
};
