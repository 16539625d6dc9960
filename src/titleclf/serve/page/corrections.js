// The user's corrections; each change dispatches "corrected" on the document.

import { MAX_SHOWN, about, attempt, byId, counted, element, fetchJson, jsonRequest } from "./common.js"

const CHOOSE_MS = 500

// Create a list of categories, the suggestion first. Arrow keys fire a change for each category they pass, so wait
// until the choice is stable or the list loses the focus.
export function categoryChooser(title, id, suggestion, onCorrected = () => {}) {
  const select = element("select", { id, "aria-label": `Correct “${title}”` }, element("option", { value: "-" }, "Correct…"))
  const others = about.categories.filter(category => category !== suggestion)
  for (const category of [suggestion, ...others]) select.append(element("option", { value: category }, category))
  select.append(element("option", { value: "" }, "No category: leave unchanged"))
  let timer = null
  const choose = () => {
    clearTimeout(timer)
    timer = null
    if (select.value !== "-") attempt(() => correct(title, select.value, onCorrected))
  }
  select.addEventListener("change", () => {
    clearTimeout(timer)
    timer = setTimeout(choose, CHOOSE_MS)
  })
  select.addEventListener("blur", () => timer !== null && choose())
  return element("div", { class: "action" }, select)
}

async function correct(title, category, onCorrected) {
  await fetchJson("/api/corrections", jsonRequest("POST", { title, category }))
  byId("announcement").textContent = `“${title}” is now ${category || "left unchanged"}.`
  onCorrected(category)
  await update()
}

async function withdraw(title) {
  await fetchJson(`/api/corrections?title=${encodeURIComponent(title)}`, { method: "DELETE" })
  byId("announcement").textContent = `The correction of “${title}” was undone.`
  byId("corrections-heading").focus()
  await update()
}

async function update() {
  await listCorrections()
  document.dispatchEvent(new Event("corrected"))
}

export async function listCorrections() {
  const { corrections, patterns, problem } = await fetchJson("/api/corrections")
  const hasAny = corrections.length + patterns.length > 0
  byId("corrections-status").className = problem ? "problem" : "faint"
  byId("corrections-status").textContent = problem ?? (hasAny
    ? `${counted(corrections.length, "title")}` + (patterns.length ? ` and ${counted(patterns.length, "pattern")}` : "") +
      ". Similar spellings follow."
    : "None yet. When you correct a title above, similar spellings follow.")
  byId("corrections-file").hidden = !hasAny
  byId("corrections").replaceChildren(...corrections.slice(0, MAX_SHOWN).map(({ title, category }) => {
    const button = element("button", { type: "button", "aria-label": `Undo the correction of “${title}”` }, "Undo")
    button.addEventListener("click", () => attempt(() => withdraw(title)))
    return element("li", {}, element("div", { class: "name" }, title),
      element("div", { class: "facts" }, category || "left unchanged"), element("div", { class: "action" }, button))
  }))
}
