// The titles that were filled, by channel: searched, sorted and corrected. They are fetched when their tab is shown.

import {
  MAX_SHOWN, attempt, byId, collapse, counted, element, fetchJson, hours, keepFocus, number, percent,
} from "./common.js"
import { categoryChooser } from "./corrections.js"
import "./tabs.js"

export const BASES = {
  override: "your corrections", own: "the guide's own categories", elsewhere: "the same title elsewhere", model: "the model",
}
const { compare } = new Intl.Collator("en", { numeric: true })
const ORDERS = {
  probability: (one, other) => one.probability - other.probability,
  airtime: (one, other) => other.minutes - one.minutes,
  title: (one, other) => compare(one.title, other.title),
  channel: (one, other) => compare(one.channel, other.channel),
  category: (one, other) => compare(one.category, other.category),
  basis: (one, other) => compare(BASES[one.basis], BASES[other.basis]),
}

let latest = null  // what is to be fetched: { url, signal }, null once it is here
let titles = []

byId("filled-panel").addEventListener("show", fetchLatest)
byId("filled-search").addEventListener("input", draw)
byId("filled-order").addEventListener("change", draw)

// List the titles at an address; those that are listed already keep their positions.
export function showFilled(url, signal) {
  latest = { url, signal }
  if (!byId("filled-panel").hidden) fetchLatest()
}

export function clearFilled() {
  titles = []
  latest = null
  byId("filled-search").value = ""
  byId("filled").replaceChildren()
}

function fetchLatest() {
  if (latest) attempt(async () => {
    const { url, signal } = latest
    latest = null
    if (!titles.length) byId("filled-status").textContent = "Loading…"
    const report = await fetchJson(url, { signal })
    for (const title of report.titles) title.text = folded([title.title, title.channel, title.category].join(" "))
    const isFirst = !titles.length
    titles = report.titles
    byId("filled-more").textContent = report.left_out
      ? `${number(report.left_out)} more, surer ones are not listed. titleclf epg fill --changes lists them all.` : ""
    isFirst ? draw() : update()
  })
}

function draw() {
  const words = folded(byId("filled-search").value).split(/\s+/)
  const found = titles.filter(({ text }) => words.every(word => text.includes(word))).sort(ORDERS[byId("filled-order").value])
  byId("filled").replaceChildren(...found.slice(0, MAX_SHOWN).map(filledRow))
  collapse("filled")
  byId("filled-status").textContent = counted(found.length, "title") +
    (found.length > MAX_SHOWN ? `; search to see more than the first ${MAX_SHOWN}` : "")
}

// Rows keep their positions until they are sorted again, so that users do not lose theirs.
function update() {
  const latest = new Map()  // by place, and by place and category
  for (const title of titles) latest.set(placeOf(title), title).set(placeOf(title) + title.category, title)
  for (const row of byId("filled").children) {
    const { place, category } = row.dataset
    const title = latest.get(place + category) ?? latest.get(place)
    const isUnchanged = row.querySelector("select").value === ""
    row.classList.toggle("done", !title)
    row.querySelector(".facts").replaceChildren(...title ? facts(title) : [isUnchanged ? "✓ left unchanged" : "no longer listed"])
  }
}

function filledRow(title) {
  const place = placeOf(title)
  return element("li", { "data-place": place, "data-category": title.category },
    element("div", { class: "name" }, title.title), element("div", { class: "facts" }, ...facts(title)),
    categoryChooser(title.title, `filled-${place}-${title.category}`, title.category))
}

function facts({ channel, category, basis, probability, showings, minutes }) {
  const sure = basis === "model" ? ` ${percent(probability)}` : ""
  return [element("strong", { class: "sure" }, category), `${sure} – ${BASES[basis]}`, element("br"),
    `${channel}: ${counted(showings, "showing")}, ${hours(minutes)}`]
}

const placeOf = ({ title, channel }) => `${title}\n${channel}\n`

// Search regardless of case and accents.
function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim()
}
