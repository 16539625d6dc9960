// What all parts of the page need. Texts of guides and titles get into it as text alone (textContent), never as markup.

export const SHOWN = 200, ROWS = 20  // titles, and rows of a list until more are asked for
export const about = {}  // what the service said of itself
export const byId = id => document.getElementById(id)
export const number = value => value.toLocaleString("en")
export const counted = (count, name) => `${number(count)} ${name}${count === 1 ? "" : "s"}`
export const percent = value => `${Math.round(value * 100)}\u00a0%`
export const hours = minutes => `${(minutes / 60).toLocaleString("en", { maximumFractionDigits: 1 })}\u00a0h`

// An element with attributes and children; what is no element is text.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

export async function ask(url, how = {}) {
  const answer = await fetch(url, how).catch(error => {
    throw error.name === "AbortError" ? error : new Error("The service must be reachable. Got no answer. Is it still running?")
  })
  const said = answer.status === 204 ? null : await answer.json()
  if (!answer.ok) throw new Error(said.error)
  return said
}

export const asJson = (method, value) => ({
  method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value),
})

function show(error) {
  byId("problem").textContent = error ? error.message : ""
  byId("problem").hidden = !error
}

// Run what may fail, and forget what failed before; an older request that was given up is no problem.
export async function attempt(action) {
  show(null)
  try {
    await action()
  } catch (error) {
    if (error.name !== "AbortError") show(error)
  }
}
