// A guide: uploaded, filled, told of, corrected and given back.

import { ROWS, about, ask, attempt, byId, counted, element, hours, number, percent } from "./common.js"
import { chooser } from "./corrections.js"

const POLLING_MS = 400

let guide = null  // { id, file }: the one that is shown
export const most = () => `${number(about.limits.upload_bytes >> 20)} MB`

const drop = byId("drop")
byId("upload").addEventListener("submit", event => event.preventDefault())
byId("file").addEventListener("change", event => take(event.target.files[0]))
for (const id of ["profile", "mark"]) byId(id).addEventListener("change", () => guide && take(guide.file))
for (const name of ["dragover", "drop"]) window.addEventListener(name, event => event.preventDefault())
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("over"))
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"))
window.addEventListener("drop", ({ dataTransfer: { files } }) => {
  if (files.length) byId("file").files = files  // so that it has the name
  take(files[0])
})
document.addEventListener("corrected", () => guide && attempt(follow))

function take(file) {
  if (file) attempt(() => upload(file))
}

async function upload(file) {
  if (file.size > about.limits.upload_bytes)
    throw new Error(`${file.name} must be at most ${most()}. Got ${number(file.size >> 20)} MB. Fill it with titleclf epg fill.`)
  if (guide) ask(`/api/guides/${guide.id}`, { method: "DELETE" }).catch(() => null)
  guide = null
  byId("guide").hidden = true
  const query = new URLSearchParams({
    name: file.name, profile: byId("profile").value, mark: byId("mark").checked ? "1" : "0",
  })
  work(0, `Uploading ${file.name}…`)
  try {
    guide = { id: (await send(`/api/guides?${query}`, file)).id, file }
    byId("doubts").replaceChildren()
    for (const list of ["doubts", "channels"]) delete byId(`${list}-all`).dataset.pressed
    await follow()
  } finally {
    byId("work").hidden = true
  }
}

// XMLHttpRequest, because it tells how much of the file has gone.
function send(url, file) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open("POST", url)
    request.responseType = "json"
    request.upload.addEventListener("progress", event => work(event.loaded / event.total, `Uploading ${file.name}…`))
    request.addEventListener("load", () => request.status === 202
      ? resolve(request.response)
      : reject(new Error(request.response?.error ?? `${file.name} must be taken by the service. Got ${request.status}.`)))
    request.addEventListener("error", () => reject(new Error(`${file.name} must get to the service. Got no answer. Try again.`)))
    request.send(file)
  })
}

function work(share, text) {
  byId("work").hidden = false
  byId("work-status").textContent = text
  if (share === null) byId("progress").removeAttribute("value")
  else byId("progress").value = share
}

// Wait until the guide is filled with all corrections, and show it.
async function follow() {
  const { id } = guide
  for (;;) {
    const state = await ask(`/api/guides/${id}`)
    if (guide?.id !== id) return  // another one has taken its place
    if (state.state === "filled") {
      byId("work").hidden = true
      return drawGuide(state)
    }
    if (state.state === "broken") {
      guide = null
      byId("guide").hidden = true
      byId("work").hidden = true
      throw new Error(state.problem)
    }
    work(null, `Filling: ${number(state.programmes)} programmes so far…`)
    await new Promise(resolve => setTimeout(resolve, POLLING_MS))
  }
}

function drawGuide({ id, name, report }) {
  const { whole, channels, doubts } = report
  byId("guide").hidden = false
  byId("guide-name").textContent = name
  byId("summary").textContent = `${number(whole.programmes)} programmes, ${number(whole.missing)} without a category. ` +
    `${number(whole.filled)} are filled` + (whole.overridden ? `, ${number(whole.overridden)} decided by you` : "") +
    `; ${number(whole.unsure)} are unsure (${hours(whole.unsure_minutes)} of airtime).`
  fillBar(byId("bar"), whole)
  byId("download").href = `/api/guides/${id}/file`
  byId("genres").hidden = byId("profile").value !== "kodi"
  drawDoubts(doubts)
  const more = report.doubts_left_out
  byId("doubts-more").textContent = more ? `${number(more)} more come when these are done.` : ""
  byId("channels").replaceChildren(...channels.map(channelRow))
  fold("channels")
  byId("channels-more").textContent = report.channels_left_out ? `${number(report.channels_left_out)} more are not shown.` : ""
}

// Rows stay where they are, so that nobody loses their place: those that are no doubt any more say so.
function drawDoubts(doubts) {
  const rows = new Map([...byId("doubts").children].map(row => [row.dataset.title, row]))
  const unsure = new Set(doubts.map(doubt => doubt.title))
  for (const doubt of doubts) {
    const row = rows.get(doubt.title)
    if (!row || row.classList.contains("done")) {
      const made = doubtRow(doubt)
      row ? row.replaceWith(made) : byId("doubts").append(made)
    }
  }
  for (const [title, row] of rows) if (!unsure.has(title)) settle(row, "follows a correction")
  fold("doubts")
  const count = byId("doubts").children.length
  byId("doubts-none").hidden = count > 0
  byId("doubts-hint").hidden = count === 0
}

// Show the first rows of a list until the button below it is pressed.
function fold(list) {
  const button = byId(`${list}-all`)
  const rest = button.dataset.pressed ? [] : [...byId(list).children].slice(ROWS)
  for (const row of rest) row.hidden = true
  button.hidden = !rest.length
  button.textContent = `Show ${number(rest.length)} more`
}

for (const list of ["doubts", "channels"]) byId(`${list}-all`).addEventListener("click", event => {
  event.target.dataset.pressed = "yes"
  const hidden = [...byId(list).children].filter(row => row.hidden)
  for (const row of hidden) row.hidden = false
  hidden[0].querySelector("select")?.focus()
  fold(list)
})

function doubtRow(doubt) {
  const showings = counted(doubt.showings, "showing")
  const facts = `${hours(doubt.minutes)}, ${showings}; perhaps ${doubt.likeliest}, ${percent(doubt.probability)}`
  const row = element("li", { "data-title": doubt.title },
    element("div", { class: "name" }, doubt.title), element("div", { class: "facts" }, facts))
  const likeliest = { category: doubt.likeliest }
  row.append(chooser(doubt.title, `doubt-${doubt.title}`, likeliest,
    category => settle(row, category || "left alone")))
  return row
}

function settle(row, text) {
  if (row.classList.contains("done")) return
  row.classList.add("done")
  row.querySelector(".facts").textContent = `✓ ${text}`
}

function channelRow(part) {
  const cell = (text, kind) => element("td", kind ? { class: kind } : {}, text)
  const bar = element("div", { class: "bar", role: "img" })
  fillBar(bar, part)
  return element("tr", {}, cell(part.name), cell(number(part.missing), "n"), cell(number(part.filled), "n"),
    cell(number(part.unsure), "n"), cell(hours(part.unsure_minutes), "n more"), cell(number(part.programmes), "n more"),
    cell(bar, "more"))
}

function fillBar(bar, part) {
  const own = part.programmes - part.filled - part.unsure
  const counts = { own, filled: part.filled, unsure: part.unsure }
  bar.setAttribute("aria-label", `${number(own)} kept, ${number(part.filled)} filled, ${number(part.unsure)} unsure`)
  bar.replaceChildren(...Object.entries(counts).filter(([, count]) => count).map(([name, count]) => {
    const span = element("span", { class: name })
    span.style.flex = count
    return span
  }))
}
