// The user's corrections; each change dispatches "corrected" on the document.

import { MAX_SHOWN, about, attempt, byId, counted, element, fetchJson, isRedrawing, jsonRequest } from "./common.js"

const OPENS_LIST = ["Enter", " ", "F4"]  // pressed on a list; what is then chosen in it is chosen deliberately

const spellings = new Map()  // of titles corrected here: as the corrections have them
let categories = new Map()  // of all corrections, by title

// Create a list of categories, the suggestion first, and a button that undoes the correction of the title, if any.
// Keys fire a change for each category they pass, which is saved on Enter, or when the list loses the focus; what is
// picked from the open list is saved at once. `onChanged` gets the new category, null if the correction was undone.
export function categoryChooser(title, id, suggestion, onChanged = () => {}) {
  const select = element("select", { id, "aria-label": `Correct “${title}”` }, element("option", { value: "-" }, "Correct…"))
  const others = about.categories.filter(category => category !== suggestion)
  for (const category of [suggestion, ...others]) select.append(element("option", { value: category }, category))
  select.append(element("option", { value: "" }, "No category: leave unchanged"))
  const undo = undoButton(title, () => {
    onChanged(null)
    byId(id)?.focus()  // the button goes
  })
  undo.id = `undo-${id}`
  const action = element("div", { class: "action" }, select, undo)
  let saved = "-", isByKey = false
  const save = () => {
    if (select.value === saved || select.value === "-") return
    saved = select.value
    attempt(async () => {
      try {
        await correct(title, saved, onChanged)
      } finally {
        action.refresh()
      }
    })
  }
  action.refresh = () => {
    const category = categories.get(spellings.get(title) ?? title)
    undo.hidden = category === undefined
    if (select.value === saved) select.value = category ?? "-"  // else the user is choosing
    saved = category ?? "-"
  }
  select.addEventListener("pointerdown", () => isByKey = false)
  select.addEventListener("keydown", ({ key, altKey }) => {
    isByKey = !altKey && !OPENS_LIST.includes(key)
    if (key === "Enter") save()
    if (key === "Escape") select.value = saved
  })
  select.addEventListener("change", () => isByKey || save())
  select.addEventListener("blur", () => isRedrawing || save())
  action.refresh()
  return action
}

function undoButton(title, onUndone) {
  const button = element("button", { type: "button", "aria-label": `Undo the correction of “${title}”` }, "Undo")
  button.addEventListener("click", () => attempt(() => withdraw(title, onUndone)))
  return button
}

async function correct(title, category, onChanged) {
  const saved = await fetchJson("/api/corrections", jsonRequest("POST", { title, category }))
  spellings.set(title, saved.title)
  byId("announcement").textContent = `“${title}” is now ${category || "left unchanged"}.`
  onChanged(category)
  await update()
}

async function withdraw(title, onUndone) {
  await fetchJson(`/api/corrections?title=${encodeURIComponent(title)}`, { method: "DELETE" })
  byId("announcement").textContent = `The correction of “${title}” was undone.`
  onUndone()
  await update()
}

async function update() {
  await listCorrections()
  document.dispatchEvent(new Event("corrected"))
}

export async function listCorrections() {
  const { corrections, patterns, channels, problem } = await fetchJson("/api/corrections")
  categories = new Map(corrections.map(({ title, category }) => [title, category]))
  for (const action of document.querySelectorAll(".action")) action.refresh?.()
  const counts = [["title", corrections], ["pattern", patterns], ["channel rule", channels]]
    .filter(([, rows]) => rows.length).map(([noun, rows]) => counted(rows.length, noun))
  byId("corrections-status").className = problem ? "problem" : "faint"
  byId("corrections-status").textContent = problem ?? (counts.length
    ? `${counts.join(", ")}. Similar spellings follow.`
    : "None yet. When you correct a title above, similar spellings follow.")
  byId("corrections-file").hidden = !counts.length
  byId("corrections").replaceChildren(...corrections.slice(0, MAX_SHOWN).map(({ title, category }) => {
    const button = undoButton(title, () => byId("corrections-heading").focus())
    return element("li", {}, element("div", { class: "name" }, title),
      element("div", { class: "facts" }, category || "left unchanged"), element("div", { class: "action" }, button))
  }))
}
