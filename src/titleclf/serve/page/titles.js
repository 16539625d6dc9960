// Predictions for the typed titles, with explanations.

import { MAX_SHOWN, about, attempt, byId, counted, element, fetchJson, jsonRequest, keepFocus, number, percent } from "./common.js"
import { categoryChooser } from "./corrections.js"
import { filledFields, onField, showFieldProblem } from "./fields.js"

const TYPING_MS = 150
const SHADES = 4
const MAX_NGRAMS = 5  // for and against
const MIN_PROBABILITY = 0.005  // of a listed category

let typing = null, running = new AbortController()
const open = new Set()  // ids of the explanations that the user has opened

function predictSoon() {
  clearTimeout(typing)
  typing = setTimeout(() => attempt(predict), TYPING_MS)
}

byId("titles").addEventListener("input", predictSoon)
onField(predictSoon)

document.addEventListener("corrected", () => attempt(predict))

// Show predictions at once, and their explanations, which take longer, when they arrive.
export async function predict() {
  if (!about.limits) return  // the page calls this again once they are known
  running.abort()
  running = new AbortController()
  const { signal } = running
  const fields = filledFields()
  const body = titles => fields ? { programmes: titles.map(title => ({ title, ...fields })) } : { titles }
  const request = async (titles, explain = false) =>
    (await fetchJson("/api/predict", { ...jsonRequest("POST", { ...body(titles), explain }), signal })).predictions
  const lines = byId("titles").value.split("\n").map(line => line.trim()).filter(line => line)
  const titles = lines.slice(0, about.limits.titles)
  let predictions = []
  try {
    if (titles.length) predictions = await request(titles)
    showFieldProblem(null)
  } catch (error) {
    if (error.name === "AbortError" || !showFieldProblem(error)) throw error
  }
  const sure = predictions.filter(({ category }) => category !== null).length
  const hidden = lines.length - Math.min(MAX_SHOWN, titles.length)
  byId("titles-status").textContent = !predictions.length ? "" :
    `${counted(predictions.length, "title")}, ${number(sure)} with a category.` + (hidden ? ` ${number(hidden)} not shown.` : "")
  draw(predictions.slice(0, MAX_SHOWN))
  if (!about.explains || !predictions.length) return
  const explained = await request(titles.slice(0, about.limits.explained), true)
  draw([...explained, ...predictions.slice(explained.length, MAX_SHOWN)])
}

// Redraw all rows; the focus stays where it was.
function draw(predictions) {
  keepFocus(() => byId("predictions").replaceChildren(...predictions.map(predictionRow)))
  byId("legend").hidden = !predictions.length
  byId("colours").hidden = !predictions.some(({ explanation }) => explanation)
}

function predictionRow(prediction, index) {
  const row = element("li")
  row.append(element("div", { class: "name" }, ...paintedTitle(prediction)),
    element("div", { class: "facts" }, ...verdict(prediction)))
  if (prediction.top.length)
    row.append(categoryChooser(prediction.title, `prediction-${index}`, prediction.top[0].category))
  if (prediction.explanation) row.append(explanationDetails(prediction, index))
  return row
}

function verdict({ title, category, categories, correction, top: [best] }) {
  if (correction) return [element("strong", { class: "sure" }, category ?? "left unchanged"),
    correction.text === title ? " – your correction" : ` – like your correction of “${correction.text}”`]
  const probability = percent(best.probability)
  return category === null
    ? [`unsure – maybe ${best.category} (${probability})`]
    : [element("strong", { class: "sure" }, categories.join(" | ")), ` ${probability}`]
}

// A title with its characters on green or red; screen readers read it in one piece.
function paintedTitle(prediction) {
  const { title, explanation } = prediction
  const characters = explanation?.characters
  if (!characters) return [title]
  const largest = Math.max(...characters.map(([, contribution]) => Math.abs(contribution))) || 1
  const spans = []
  let lastShade = null
  for (const [character, contribution] of characters) {
    const strength = Math.min(SHADES, Math.ceil(Math.abs(contribution / largest) * SHADES - 0.5))
    const shade = strength ? `${contribution > 0 ? "for" : "against"}-${strength}` : ""
    if (shade !== lastShade) spans.push(element("span", shade ? { class: shade } : {}))
    spans.at(-1).textContent += character
    lastShade = shade
  }
  const ignored = ignoredEnd(prediction)
  if (ignored) spans.push(element("span", { class: "ignored" }, ignored))
  return [element("span", { class: "hidden" }, title), element("span", { class: "painted", "aria-hidden": true }, ...spans)]
}

// The end of a long title, which the model does not read.
function ignoredEnd({ title, explanation: { characters } }) {
  const start = characters.map(([character]) => character).join("")
  return title.startsWith(start) ? title.slice(start.length) : ""
}

function explanationDetails(prediction, index) {
  const { ngrams, memory, characters } = prediction.explanation
  const joined = pieces => pieces.map(({ text, contribution }) => `“${text}” ${signed(contribution)}`).join(", ")
  const likely = prediction.top.filter(({ probability }) => probability >= MIN_PROBABILITY)
  const supporting = ngrams.filter(({ contribution }) => contribution > 0).slice(0, MAX_NGRAMS)
  const opposing = ngrams.filter(({ contribution }) => contribution < 0).slice(-MAX_NGRAMS).reverse()
  const rows = [["most likely", likely.map(({ category, probability }) => `${category} ${percent(probability)}`).join(", ")]]
  if (supporting.length) rows.push(["for it", joined(supporting)])
  if (opposing.length) rows.push(["against it", joined(opposing)])
  rows.push(...fieldRows(prediction.explanation))
  if (memory) rows.push(["similar to", `“${memory.title}” (${memory.category}), ${percent(memory.likeness)}`])
  if (ignoredEnd(prediction)) rows.push(["ignored", `everything after the first ${number(characters.length)} characters`])
  const list = element("dl")
  for (const [name, text] of rows) list.append(element("dt", {}, name), element("dd", {}, text))
  const details = element("details", { id: `why-${index}` }, element("summary", { id: `summary-${index}` }, "Why?"), list)
  details.open = open.has(details.id)
  details.addEventListener("toggle", () => details.open ? open.add(details.id) : open.delete(details.id))
  return details
}

// What each field adds: the numbers of an explanation but its bias, and the words of texts that add the most.
function fieldRows({ bias: _, words = {}, ...terms }) {
  const fields = Object.entries(terms).filter(([, contribution]) => typeof contribution === "number")
  return fields.map(([name, contribution]) => {
    const strongest = [...words[name] ?? []].sort(([, one], [, other]) => Math.abs(other) - Math.abs(one))
    const shown = strongest.slice(0, MAX_NGRAMS).map(([text, part]) => `“${text}” ${signed(part)}`).join(", ")
    return [name.replaceAll("_", " "), signed(contribution) + (shown && `: ${shown}`)]
  })
}

const signed = value => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`
