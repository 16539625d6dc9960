// What the user says of titles. Whoever shows what a correction may change listens to "corrected".

import { SHOWN, about, asJson, ask, attempt, byId, counted, element } from "./common.js"

const CHOOSING_MS = 500

// A list of categories, the likeliest first. Arrow keys pass by some before the one that is meant: wait for that.
export function chooser(title, id, likeliest, after = () => {}) {
  const select = element("select", { id, "aria-label": `Correct “${title}”` }, element("option", { value: "-" }, "Correct…"))
  const others = about.categories.filter(category => category !== likeliest.category)
  for (const category of [likeliest.category, ...others]) select.append(element("option", { value: category }, category))
  select.append(element("option", { value: "" }, "None: leave it alone"))
  let choosing = null
  const choose = () => {
    clearTimeout(choosing)
    choosing = null
    if (select.value !== "-") attempt(() => correct(title, select.value, after))
  }
  select.addEventListener("change", () => {
    clearTimeout(choosing)
    choosing = setTimeout(choose, CHOOSING_MS)
  })
  select.addEventListener("blur", () => choosing !== null && choose())
  return element("div", { class: "do" }, select)
}

async function correct(title, category, after) {
  await ask("/api/corrections", asJson("POST", { title, category }))
  byId("said").textContent = `“${title}” is ${category || "left alone"} from now on.`
  after(category)
  await changed()
}

async function withdraw(title) {
  await ask(`/api/corrections?title=${encodeURIComponent(title)}`, { method: "DELETE" })
  byId("said").textContent = `The correction of “${title}” is taken back.`
  byId("corrections-heading").focus()
  await changed()
}

async function changed() {
  await listCorrections()
  document.dispatchEvent(new Event("corrected"))
}

export async function listCorrections() {
  const { corrections, patterns, problem } = await ask("/api/corrections")
  byId("corrections-status").className = problem ? "problem" : "faint"
  byId("corrections-status").textContent = problem ?? (
    corrections.length + patterns.length ? `${counted(corrections.length, "title")}` +
      (patterns.length ? ` and ${counted(patterns.length, "pattern")}` : "") + "; near copies follow."
    : "None yet. Correct a title above: its copies follow, also misspelt ones.")
  byId("corrections-file").hidden = !(corrections.length + patterns.length)
  byId("corrections").replaceChildren(...corrections.slice(0, SHOWN).map(({ title, category }) => {
    const button = element("button", { type: "button", "aria-label": `Take back the correction of “${title}”` }, "Take back")
    button.addEventListener("click", () => attempt(() => withdraw(title)))
    return element("li", {}, element("div", { class: "name" }, title),
      element("div", { class: "facts" }, category || "left alone"), element("div", { class: "do" }, button))
  }))
}
