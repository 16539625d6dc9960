// The page of `titleclf serve`. Texts of guides and titles get into it as text alone (textContent), never as markup.

const TYPING_MS = 150, CHOOSING_MS = 500, POLLING_MS = 400
const SHOWN = 200, ROWS = 20  // titles, and rows of a list until more are asked for
const SHADES = 4
const byId = id => document.getElementById(id)
const number = value => value.toLocaleString("en")
const counted = (count, name) => `${number(count)} ${name}${count === 1 ? "" : "s"}`
const percent = value => `${Math.round(value * 100)}\u00a0%`
const hours = minutes => `${(minutes / 60).toLocaleString("en", { maximumFractionDigits: 1 })}\u00a0h`

let about = null  // what the service said of itself
let guide = null  // { id, file }: the one that is shown

// An element with attributes and children; what is no element is text.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

async function ask(url, how = {}) {
  const answer = await fetch(url, how)
  const said = answer.status === 204 ? null : await answer.json()
  if (!answer.ok) throw new Error(said.error)
  return said
}

const asJson = (method, value) => ({
  method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value),
})

function show(error) {
  byId("problem").textContent = error ? error.message : ""
  byId("problem").hidden = !error
}

// Run what may fail, and forget what failed before; an older request that was given up is no problem.
async function attempt(action) {
  show(null)
  try {
    await action()
  } catch (error) {
    if (error.name !== "AbortError") show(error)
  }
}

// Titles

let typing = null, asking = new AbortController()

byId("titles").addEventListener("input", () => {
  clearTimeout(typing)
  typing = setTimeout(() => attempt(answer), TYPING_MS)
})

async function answer() {
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
  byId("legend").hidden = !answers.some(one => one.explanation)
  for (const id of open) if (byId(id)) byId(id).open = true
  if (focused && document.activeElement?.id !== focused) byId(focused)?.focus()
}

function answerRow(one, place) {
  const row = element("li")
  row.append(element("div", { class: "name" }, ...painted(one)), element("div", { class: "facts" }, ...verdict(one)))
  if (one.top.length) row.append(chooser(one.title, `answer-${place}`, one.top[0], answer))
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
  return [element("span", { class: "hidden" }, one.title), element("span", { class: "said", "aria-hidden": true }, ...spans)]
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
  const list = element("dl")
  for (const [name, text] of rows) list.append(element("dt", {}, name), element("dd", {}, text))
  return element("details", { id: `why-${place}` }, element("summary", { id: `summary-${place}` }, "Why?"), list)
}

const signed = value => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`

// Corrections

// A list of categories, the likeliest first. Arrow keys pass by some before the one that is meant: wait for that.
function chooser(title, id, likeliest, after) {
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
  await after(title, category)
  await everywhere()
}

async function withdraw(title) {
  await ask(`/api/corrections?title=${encodeURIComponent(title)}`, { method: "DELETE" })
  byId("said").textContent = `The correction of “${title}” is taken back.`
  byId("corrections-heading").focus()
  await everywhere()
}

// What a correction has changed.
async function everywhere() {
  await listCorrections()
  await answer()
  if (guide) await follow()
}

async function listCorrections() {
  const { corrections, patterns, problem } = await ask("/api/corrections")
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

// Guides

const drop = byId("drop")
byId("upload").addEventListener("submit", event => event.preventDefault())
byId("file").addEventListener("change", event => take(event.target.files[0]))
for (const id of ["profile", "mark"]) byId(id).addEventListener("change", () => guide && take(guide.file))
for (const name of ["dragover", "drop"]) window.addEventListener(name, event => event.preventDefault())
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("over"))
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"))
window.addEventListener("drop", event => take(event.dataTransfer.files[0]))

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
    `; ${number(whole.unsure)} are unsure (${hours(whole.unsure_minutes)}).`
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
  byId("doubts-none").hidden = byId("doubts").children.length > 0
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
    (_, category) => settle(row, category || "left alone")))
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

// What is there from the beginning

function listWatched({ watched, problems }) {
  byId("watched").hidden = !watched.length
  byId("watched-guides").replaceChildren(...watched.map(one => {
    const facts = one.whole ? `${number(one.whole.programmes)} programmes, ${number(one.whole.filled)} filled` : "not filled yet"
    return element("li", {}, element("div", { class: "name" }, element("a", { href: one.url, download: "" }, one.name)),
      element("div", { class: "facts" }, one.problem ? `${facts}; the last good one is served. ${one.problem}` : facts))
  }))
  if (problems.length && !watched.length) show(new Error(problems[0]))
}

const most = () => `${number(about.limits.upload_bytes >> 20)} MB`

attempt(async () => {
  about = await ask("/api/about")
  byId("most").textContent = `, at most ${most()}`
  byId("about").textContent =
    `titleclf ${about.version}, model ${about.model}; sure where ${percent(about.precision)} of such answers are right.`
  for (const profile of about.profiles) byId("profile").append(element("option", { value: profile }, profile))
  byId("profile-choice").hidden = !about.profiles.length
  byId("profile").value = about.options.profile ?? ""
  byId("mark").checked = about.options.mark
  listWatched(await ask("/health"))
  await listCorrections()
  await answer()
})
