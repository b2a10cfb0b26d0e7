// A real board at a serial port of this computer: its port and what the page shows of it. What all of it means is `client.js`'s.

import { Client } from "./client.js";
import { create, element } from "./dom.js";

const BURST = 10;
/** Between two tries to open a port that was lost, and between two looks at what is to be asked again; milliseconds. */
const RETRY = 500;
const TICK = 100;
/** Between two drawings, at least. */
const REDRAW = 80;
/** The longer side of a picture of the page's camera that is kept: twice a board's. */
const TAKEN_SIDE = 320;
const VERDICTS = { good: "OK", doubtful: "doubtful", bad: "BAD", "left-out": "left out" };

const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

/** Writes only what is another text: whoever listens to the page hears of changes. */
function write(id, text) {
  const place = element(id);
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

let client;
/** The port that the person has chosen, until they disconnect. */
let wanted;
/** The open port: its writer, its reader, and a promise of all that was sent. */
let line;
/** Whether the page's own camera runs. */
let isCameraOn = () => false;
let isShown = false;
let isDirty = false;
/** What is drawn of it. */
const drawn = { picture: undefined, at: 0, taken: 0 };
/** The lists that are drawn, as JSON, by their elements' names. */
const lists = {};

// The port

const words = (error) => error?.message?.replace(/\.$/, "") || "the board is gone";

async function connect() {
  notify("");
  try {
    wanted = await navigator.serial.requestPort();
  } catch (error) {
    if (error.name !== "NotFoundError") notify(`No port can be chosen: ${words(error)}.`);
    return;
  }
  try {
    await open(wanted);
  } catch (error) {
    wanted = undefined;
    notify(`The port cannot be opened: ${words(error)}. Another program may have it: end a monitor or a serial console first. On Linux, join the group that owns serial ports: sudo usermod -aG dialout $USER.`);
  }
  touch();
}

async function open(port) {
  await port.open({ baudRate: Number(element("baud-rate").value), bufferSize: 1 << 16 });
  // A board on USB may wait for this; not every port has it.
  await port.setSignals({ dataTerminalReady: true }).catch(() => {});
  line = { port, writer: port.writable.getWriter(), reader: undefined, sent: Promise.resolve() };
  client.connected();
  touch();
  read(line);
}

/** Hands over what comes, until the port is closed or lost. */
async function read(opened) {
  let problem;
  while (opened.port.readable && line === opened) {
    opened.reader = opened.port.readable.getReader();
    try {
      for (;;) {
        const { value, done } = await opened.reader.read();
        if (done) break;
        client.receive(value);
        pump();
      }
    } catch (error) {
      // A UART's noise leaves a port that can be read again.
      problem = error;
    } finally {
      opened.reader.releaseLock();
    }
  }
  if (line !== opened) return;
  line = undefined;
  client.lost(`the connection is lost: ${words(problem)}; plug the board in again, and it goes on by itself`);
  touch();
  opened.writer.releaseLock();
  await opened.port.close().catch(() => {});
  setTimeout(reconnect, RETRY);
}

/** Opens the port again that was lost, which may be another object now. */
async function reconnect() {
  const lost = wanted;
  if (!lost || line) return;
  const { usbVendorId, usbProductId } = lost.getInfo();
  for (const port of await navigator.serial.getPorts()) {
    const info = port.getInfo();
    if (wanted !== lost) return;
    if (info.usbVendorId !== usbVendorId || info.usbProductId !== usbProductId) continue;
    try {
      await open(port);
      wanted = port;
      return;
    } catch {
      // It is tried again.
    }
  }
  setTimeout(reconnect, RETRY);
}

async function disconnect() {
  const opened = line;
  wanted = line = undefined;
  client.lost("disconnected");
  const last = client.leave();
  touch();
  if (!opened) return;
  send(opened, last);
  await opened.sent;
  await opened.reader?.cancel().catch(() => {});
  opened.writer.releaseLock();
  await opened.port.close().catch(() => {});
}

function send(opened, bytes) {
  // Whoever reads notices that a port is lost.
  if (bytes.length > 0) opened.sent = opened.sent.then(() => opened.writer.write(bytes)).catch(() => {});
}

/** Sends what is due. */
function pump() {
  const bytes = client.advance();
  if (line) send(line, bytes);
  if (isDirty) return;
  isDirty = true;
  setTimeout(() => requestAnimationFrame(render), drawn.at + REDRAW - performance.now());
}

/** Something has changed. */
const touch = pump;

// What is shown

function notify(sentence) {
  write("board-notice", sentence);
}

/** Makes the rows of a list anew, if they are others. */
function list(id, rows, make) {
  const text = JSON.stringify(rows);
  if (lists[id] === text) return;
  lists[id] = text;
  element(id).replaceChildren(...rows.map(make));
}

function render() {
  isDirty = false;
  drawn.at = performance.now();
  const view = client.view();
  showCapture(view.capture);
  if (!isShown) return;
  document.body.classList.toggle("connected", view.is_connected);
  const [shown, other] = wanted ? ["disconnect", "connect"] : ["connect", "disconnect"];
  element(shown).hidden = false;
  // The keyboard stays where it was.
  if (document.activeElement === element(other)) element(shown).focus();
  element(other).hidden = true;
  element("board-live").hidden = !view.is_connected || !view.picture || view.is_busy;
  write("hint", wanted || view.device.length > 0 ? (view.hint ?? "") : "");
  showSeen(view);
  showModels(view);
  showDiagnosis(view);
  list("board-card", view.device, ([title, text]) => {
    const row = create("div");
    row.append(create("dt", title), create("dd", text));
    row.classList.toggle("wide", title === "computed");
    return row;
  });
  list("log", view.log, ([counter, text]) => {
    const row = create("li");
    row.append(create("span", counter === null ? "" : counter.toLocaleString("en")), create("span", text));
    return row;
  });
  element("board-about").hidden = view.device.length === 0 && view.log.length === 0;
}

function showSeen({ verdict, picture, times, unit, rate, faults, latest_fault: fault, is_connected: isConnected }) {
  if (picture && picture[0] !== drawn.picture) {
    const [counter, shape] = picture;
    const canvas = element("board-picture");
    [canvas.width, canvas.height] = [shape.width, shape.height];
    canvas.style.aspectRatio = `${shape.width} / ${shape.height}`;
    canvas.getContext("2d").putImageData(client.picture(shape), 0, 0);
    canvas.dataset.counter = drawn.picture = counter;
  }
  write("board-verdict", verdict ? (verdict.label ?? "not sure") : "…");
  element("board-verdict").classList.toggle("unsure", !verdict?.label);
  write("board-share", verdict ? `${percent(verdict.probability)} ${verdict.label ? "over the last frames" : "for the most probable"}` : "no frame yet");
  write("marks", verdict?.marks.length ? `This frame is marked: ${verdict.marks.join(", ")}.` : "");
  const bar = (name, share, text, className = "") => {
    const row = create("li", "", className);
    const made = create("i");
    made.style.setProperty("--share", share);
    row.append(create("span", name), made, create("b", text));
    return row;
  };
  list("board-bars", verdict?.top ?? [], ([label, share], index) => bar(label, share, percent(share), index ? "" : "top"));
  list("times", times, ([name, text, share]) => bar(name, share, text));
  write("times-title", times.length ? (unit === "instructions" ? "Instructions of a frame" : "Times of a frame") : "");
  write("board-rate", isConnected && rate !== null ? `${rate.toFixed(1)} frames a second` : "");
  write("faults", times.length ? `Camera faults since boot: ${faults}${fault ? `. The newest: ${fault}` : ""}` : fault);
}

function showModels({ is_connected: isConnected, is_busy: isBusy, is_changing: isChanging, models, progress }) {
  write("listed", models.listed ?? (isBusy ? "" : isConnected ? "asking the board …" : "What models the board has stands here once it is connected."));
  for (const id of ["deploy", "rollback"]) element(id).disabled = !isConnected || isBusy;
  element("deploy").closest("label").classList.toggle("disabled", !isConnected || isBusy);
  element("progress").hidden = !progress;
  if (progress) {
    const [received, total] = progress;
    [element("bar").value, element("bar").max] = [received, total];
    element("sent").textContent = `${received.toLocaleString("en")} of ${total.toLocaleString("en")} bytes`;
  }
  const said = models.said.join("\n");
  write("said", isChanging && !progress ? [said, "waiting for the board …"].filter(Boolean).join("\n") : said);
  write("deploy-problem", models.problem ?? "");
}

function showDiagnosis({ is_connected: isConnected, is_busy: isBusy, diagnosed: { said, checks } }) {
  element("diagnose").disabled = !isConnected || isBusy;
  write("examining", said ?? "");
  const bad = checks.filter(({ verdict }) => verdict === "bad").length;
  write("finding", checks.length ? (bad ? `${bad} of ${checks.length} checks ${bad === 1 ? "is" : "are"} BAD: begin with the first.` : "Nothing is bad.") : "");
  list("checks", checks, ({ check, verdict, text: found, next }) => {
    const row = create("li", "", verdict);
    const words = create("p", found);
    row.append(create("b", VERDICTS[verdict]), create("h3", check), words);
    if (next) row.append(create("p", `→ ${next}`, "next"));
    return row;
  });
}

function showCapture({ classes, chosen, notice, is_bad: isBad, kind, files }) {
  list("classes", classes.map(([key, name]) => [key, name]), ([key, name], index) => {
    const button = create("button", "", "class");
    button.type = "button";
    button.append(create("kbd", key ?? ""), create("span", name), create("b"));
    button.addEventListener("click", () => act(() => client.choose(index)));
    return button;
  });
  classes.forEach(([, , pictures], index) => {
    const button = element("classes").children[index];
    button.setAttribute("aria-pressed", index === chosen);
    button.lastChild.textContent = pictures.toLocaleString("en");
  });
  write("taking", notice);
  element("taking").classList.toggle("bad", isBad);
  write("kind", isShown ? `From the board: ${kind}.` : "From this computer's camera.");
  element("undo").disabled = element("download").disabled = files === 0;
  element("download").textContent = files ? `Download ${files.toLocaleString("en")} as photos.zip` : "Download photos.zip";
  drawn.taken = files;
}

// What a person does

/** Does something with the client and shows what comes of it. */
function act(deed) {
  deed();
  touch();
}

const shoot = (count) => act(() => client.shoot(count, isCameraOn()));

function addClass(event) {
  event.preventDefault();
  const input = element("class-name");
  act(() => {
    if (client.nameClass(input.value.trim())) {
      input.value = "";
      input.blur();
    }
  });
}

let downloaded = 0;
function download() {
  const link = create("a");
  link.href = URL.createObjectURL(new Blob([client.zip()], { type: "application/zip" }));
  link.download = "photos.zip";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  downloaded = drawn.taken;
}

const KEYS = {
  " ": () => shoot(1),
  b: () => shoot(BURST),
  u: () => act(() => client.undo()),
  n: () => element("class-name").focus(),
};

/** Keys take pictures while that part of the page is open, and nothing else wants them. */
function press(event) {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (!element("capture").open || ctrlKey || metaKey || altKey) return;
  if (target.closest("input, select, textarea")) return;
  if (key === " " && target.closest("button:not(.class), summary, a")) return;
  const index = [...element("classes").children].findIndex((button) => button.firstChild.textContent === key);
  if (!KEYS[key] && index < 0) return;
  event.preventDefault();
  if (KEYS[key]) KEYS[key]();
  else act(() => client.choose(index));
}

/** Sends a model to the board, if it is one. */
export function deploy(name, blob) {
  notify("");
  try {
    act(() => client.deploy(blob));
  } catch (error) {
    notify(`${name} is not sent: this is no model: ${error.message}.`);
  }
}

/** Whether a model can be sent now. */
export const canDeploy = () => !element("deploy").disabled;

/** A frame of the page's camera, which may be one to take. */
export function offer(source, width, height) {
  if (!client.isDue) return;
  const scale = Math.min(1, TAKEN_SIDE / Math.max(width, height));
  const canvas = create("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  act(() => client.take(context.getImageData(0, 0, canvas.width, canvas.height)));
}

/** Shows the view, or leaves it; what goes on with a board goes on. */
export function show(isBoard) {
  isShown = isBoard;
  client.source(!isBoard);
  element("board-view").hidden = !isBoard;
  element("browser-view").hidden = isBoard;
  (isBoard ? element("board-capture") : element("browser-capture")).append(element("capture"));
  if (isBoard) element("capture").open = true;
  touch();
}

/** Begins; `camera` says whether the page's own camera runs. */
export async function start(module, camera) {
  isCameraOn = camera;
  client = await Client.start(module);
  if (!navigator.serial) {
    element("connect").disabled = true;
    notify("This browser has no Web Serial, through which a page speaks to a board. Chrome, Edge, Opera and other browsers of the Chromium family have it, on a computer, for pages of https:// and of localhost.");
  }
  element("connect").addEventListener("click", connect);
  element("disconnect").addEventListener("click", disconnect);
  element("take").addEventListener("click", () => shoot(1));
  element("burst").addEventListener("click", () => shoot(BURST));
  element("undo").addEventListener("click", KEYS.u);
  element("download").addEventListener("click", download);
  element("new-class").addEventListener("submit", addClass);
  element("rollback").addEventListener("click", () => act(() => client.rollBack()));
  element("diagnose").addEventListener("click", () => act(() => client.diagnose(element("test-card").checked)));
  document.addEventListener("keydown", press);
  addEventListener("beforeunload", (event) => {
    if (drawn.taken > downloaded) event.preventDefault();
  });
  setInterval(pump, TICK);
}
