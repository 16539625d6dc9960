// Shared helpers. Titles and texts of guides enter the page through textContent only, never as markup.

export const MAX_SHOWN = 200  // titles
const FIRST_ROWS = 20  // of a list before "Show more"
export const about = {}  // /api/about
export const byId = id => document.getElementById(id)
export const number = value => value.toLocaleString("en")
export const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`
export const percent = value => `${Math.round(value * 100)}%`
export const hours = minutes => {
  const value = (minutes / 60).toLocaleString("en", { maximumFractionDigits: 1 })
  return `${value} hour${value === "1" ? "" : "s"}`
}

// Create an element with attributes and children; strings become text nodes.
export function element(name, attributes = {}, ...children) {
  const created = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value)
  created.append(...children)
  return created
}

export async function fetchJson(url, options = {}) {
  const response = await fetch(url, { cache: "no-store", ...options }).catch(error => {
    throw error.name === "AbortError" ? error
      : new Error("The service is not reachable. Got no response. Check that it is still running.")
  })
  const body = response.status === 204 ? null : await response.json()
  if (!response.ok) throw new Error(body.error)
  return body
}

export const jsonRequest = (method, value) => ({
  method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value),
})

export let isRedrawing = false  // the focused element loses the focus, though the user has not left it

// Redraw elements; the focus stays on the one with the same id, and so does what a list has chosen.
export function keepFocus(redraw) {
  const { id, value } = document.activeElement
  isRedrawing = true
  redraw()
  isRedrawing = false
  const again = id && byId(id)
  if (!again || again === document.activeElement) return
  if (again.matches("select")) again.value = value
  again.focus()
}

// Hide all but the first rows of a list until its button is pressed.
export function collapse(list) {
  const button = byId(`${list}-all`)
  const rest = button.dataset.pressed ? [] : [...byId(list).children].slice(FIRST_ROWS)
  for (const row of rest) row.hidden = true
  button.hidden = !rest.length
  button.textContent = `Show ${number(rest.length)} more`
}

for (const list of ["doubts", "filled", "channels"]) byId(`${list}-all`).addEventListener("click", event => {
  event.target.dataset.pressed = "yes"
  const hidden = [...byId(list).children].filter(row => row.hidden)
  for (const row of hidden) row.hidden = false
  hidden[0].querySelector("select")?.focus()
  collapse(list)
})

function show(error) {
  byId("problem").textContent = error ? error.message : ""
  byId("problem").hidden = !error
}

// Run an action and show its error, if any, in place of an earlier one; aborted requests are no errors.
export async function attempt(action) {
  show(null)
  try {
    await action()
  } catch (error) {
    if (error.name !== "AbortError") show(error)
  }
}
