// What is known of a programme beside its title: the inputs of those fields that the model uses.

import { about, byId } from "./common.js"

const NAMES = ["description", "channel", "minutes"]
const FIELD_PROBLEM = new RegExp(`^programmes\\W*\\d+\\W+((${NAMES.join("|")}) .*)$`, "s")  // of one programme

const value = name => byId(name).value.trim()
const isUsed = name => about.fields.includes(name)
const filledNames = () => NAMES.filter(name => isUsed(name) && value(name))

// Show the inputs once /api/about is known.
export function showFields() {
  for (const name of NAMES) byId(name).parentElement.hidden = !isUsed(name)
  byId("fields").hidden = !NAMES.some(isUsed)
  nameFilled()
}

export function onField(listener) {
  for (const name of NAMES) byId(name).addEventListener("input", listener)
}

// Return the fields that are filled in, or null if none is.
export function filledFields() {
  nameFilled()
  const names = filledNames()
  return names.length ? Object.fromEntries(names.map(name => [name, value(name)])) : null
}

// Show the service's sentence beside the field that it is about, and return whether there is one.
export function showFieldProblem(error) {
  const [, sentence, wrong] = error?.message.match(FIELD_PROBLEM) ?? []
  for (const name of NAMES) {
    byId(`${name}-problem`).textContent = name === wrong ? sentence : ""
    byId(`${name}-problem`).hidden = name !== wrong
    byId(name).setAttribute("aria-invalid", name === wrong)
  }
  if (wrong) byId("fields").open = true
  return Boolean(wrong)
}

// Say which fields apply while they are folded away.
function nameFilled() {
  const names = filledNames()
  byId("fields-used").textContent = names.length ? `: ${names.join(", ")}` : ""
}
