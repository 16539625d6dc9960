// Titles as they are typed, with what speaks for their categories.

import { SHOWN, about, asJson, ask, attempt, byId, counted, element, number, percent } from "./common.js"
import { chooser } from "./corrections.js"

const TYPING_MS = 150
const SHADES = 4

let typing = null, asking = new AbortController()

byId("titles").addEventListener("input", () => {
  clearTimeout(typing)
  typing = setTimeout(() => attempt(answer), TYPING_MS)
})

document.addEventListener("corrected", () => attempt(answer))

export async function answer() {
  if (!about.limits) return  // the page asks again when it knows them
  asking.abort()
  asking = new AbortController()
  const lines = byId("titles").value.split("\n").map(line => line.trim()).filter(line => line)
  const titles = lines.slice(0, about.limits.titles)
  const how = { signal: asking.signal }
  const told = titles.length ? (await ask("/api/predict", { ...asJson("POST", { titles }), ...how })).predictions : []
  const sure = told.filter(one => one.category !== null).length
  const rest = lines.length - Math.min(SHOWN, titles.length)
  byId("titles-status").textContent = !told.length ? "" :
    `${counted(told.length, "title")}, ${number(sure)} sure.` +
    (rest ? ` ${number(rest)} are not shown.` : "")
  draw(told.slice(0, SHOWN))
  if (!about.explains || !told.length) return
  const some = titles.slice(0, about.limits.explained)
  const body = asJson("POST", { titles: some, explain: true })
  const explained = (await ask("/api/predict", { ...body, ...how })).predictions
  draw([...explained, ...told.slice(some.length, SHOWN)])
}

// Draw answers; what had the focus gets it again.
function draw(answers) {
  const focused = document.activeElement?.id
  const open = new Set([...document.querySelectorAll("#answers details[open]")].map(one => one.id))
  byId("answers").replaceChildren(...answers.map(answerRow))
  byId("legend").hidden = !answers.length
  byId("colours").hidden = !answers.some(one => one.explanation)
  for (const id of open) if (byId(id)) byId(id).open = true
  if (focused && document.activeElement?.id !== focused) byId(focused)?.focus()
}

function answerRow(one, place) {
  const row = element("li")
  row.append(element("div", { class: "name" }, ...painted(one)), element("div", { class: "facts" }, ...verdict(one)))
  if (one.top.length) row.append(chooser(one.title, `answer-${place}`, one.top[0]))
  if (one.explanation) row.append(reasons(one, place))
  return row
}

function verdict(one) {
  if (one.correction) return [element("strong", { class: "sure" }, one.category ?? "left alone"),
    one.correction.text === one.title ? " – your correction" : ` – as you corrected “${one.correction.text}”`]
  const likeliest = one.top[0]
  const share = `${percent(likeliest.probability)}`
  return one.category === null
    ? ["unsure: perhaps ", likeliest.category, ", ", share]
    : [element("strong", { class: "sure" }, one.categories.join(" | ")), ` ${share}`]
}

// A title with its characters on green or red; who listens hears it as a whole.
function painted(one) {
  const characters = one.explanation?.characters
  if (!characters) return [one.title]
  const largest = Math.max(...characters.map(([, share]) => Math.abs(share))) || 1
  const spans = []
  let before = null
  for (const [mark, share] of characters) {
    const strength = Math.min(SHADES, Math.ceil(Math.abs(share / largest) * SHADES - 0.5))
    const shade = strength ? `${share > 0 ? "for" : "against"}-${strength}` : ""
    if (shade !== before) spans.push(element("span", shade ? { class: shade } : {}))
    spans.at(-1).textContent += mark
    before = shade
  }
  if (unread(one)) spans.push(element("span", { class: "unread" }, unread(one)))
  return [element("span", { class: "hidden" }, one.title), element("span", { class: "said", "aria-hidden": true }, ...spans)]
}

// What the model does not read of a title, because it is too long.
function unread({ title, explanation }) {
  const read = explanation.characters.map(([mark]) => mark).join("")
  return title.startsWith(read) ? title.slice(read.length) : ""
}

function reasons(one, place) {
  const { ngrams, memory } = one.explanation
  const listed = pieces => pieces.map(piece => `“${piece.text}” ${signed(piece.contribution)}`).join(", ")
  const likely = one.top.filter(({ probability }) => probability >= 0.005)
  const rows = [["likeliest", likely.map(({ category, probability }) => `${category} ${percent(probability)}`).join(", ")]]
  const speaking = ngrams.filter(piece => piece.contribution > 0).slice(0, 5)
  const against = ngrams.filter(piece => piece.contribution < 0).slice(-5).reverse()
  if (speaking.length) rows.push(["for it", listed(speaking)])
  if (against.length) rows.push(["against", listed(against)])
  if (memory) rows.push(["resembles", `“${memory.title}” (${memory.category}), ${percent(memory.likeness)} alike`])
  if (unread(one)) rows.push(["not read", `all after the first ${number(one.explanation.characters.length)} characters`])
  const list = element("dl")
  for (const [name, text] of rows) list.append(element("dt", {}, name), element("dd", {}, text))
  return element("details", { id: `why-${place}` }, element("summary", { id: `summary-${place}` }, "Why?"), list)
}

const signed = value => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`
