// The page: pictures and a webcam in front of a board.

import { Board } from "./board.js";
import * as boardView from "./board-view.js";
import { create, element } from "./dom.js";

const SAMPLES = ["deer", "airplane", "automobile", "bird", "cat", "dog", "frog", "horse", "ship", "truck"];
/** The most pixels of a picture that is looked at whole; what is larger is made smaller first. */
const MOST_PIXELS = 1 << 24;
const PROBABILITY_ONE = 65535;

const frame = element("frame");
const context = frame.getContext("2d", { willReadFrequently: true });
const video = element("video");
const strip = element("strip");

let module;
let board;
/** The camera's stream, while there is one. */
let stream;
/** Milliseconds; those of a video move slowly, so that they can be read. */
const pace = { interval: 0, resize: 0, classify: 0, last: 0 };

const percent = (share) => `${(share * 100).toFixed(share > 0.0995 ? 0 : 1)}\u00a0%`;
const follow = (value, next) => (value === 0 ? next : value + (next - value) / 8);

function notify(sentence) {
  element("notice").textContent = sentence;
  element("notice").hidden = !sentence;
}

// The model

/** Boots with a blob; if it is refused, the board before stays. */
async function boot(name, blob) {
  let next;
  try {
    next = await Board.boot(module, blob);
  } catch (error) {
    notify(`${name} is refused: ${error.message}. ${board ? `${board.card.name} goes on.` : ""}`);
    return;
  }
  notify("");
  board = next;
  board.begin(Boolean(stream));
  showCard(board.card);
  if (!stream) await lookAtAll();
}

function showCard(card) {
  const { images, float_top1: float, int8_top1: int8 } = card.accuracy;
  const rows = [
    ["name", card.name],
    ["accuracy", images ? `${int8.toFixed(2)}\u00a0% (float ${float.toFixed(2)}\u00a0%), ${images.toLocaleString("en")} images` : "not measured"],
    ["input", `${card.width}×${card.height}, ${card.channels === 1 ? "grey" : "colours"}`],
    ["blob", `${card.bytes.toLocaleString("en")} bytes`],
    ["CRC-32", card.crc32.toString(16).padStart(8, "0")],
    ["multiplications", `${(card.multiplications / 1e6).toFixed(1)} million`],
    ["is sure from", card.threshold ? percent(card.threshold / PROBABILITY_ONE) : "any probability"],
    ["trained by", `${card.preset}, version ${card.trainer}`],
    [`${card.labels.length} classes`, card.labels.join(", ")],
  ];
  element("card").replaceChildren(...rows.map(([title, text], index) => {
    const row = create("div");
    row.append(create("dt", title), create("dd", text));
    row.classList.toggle("wide", index === rows.length - 1);
    return row;
  }));
  element("bars").replaceChildren(...card.labels.map((label) => {
    const row = create("li");
    const name = create("span", label);
    name.title = label;
    row.append(name, create("i"), create("b"));
    return row;
  }));
  element("size").textContent = `${card.width}×${card.height} pixels`;
  document.documentElement.style.setProperty("--ratio", `${card.width} / ${card.height}`);
  [element("seen").width, element("seen").height] = [card.width, card.height];
}

// What the board says

const named = ({ verdict }) => {
  const { class: index, probability } = verdict.Class ?? {};
  return index === undefined ? null : { label: board.card.labels[index], share: probability / PROBABILITY_ONE };
};

function show(answer) {
  const sure = named(answer);
  const text = sure ? sure.label : "not sure";
  const verdict = element("verdict");
  // Whoever listens to the page hears of changes only.
  if (verdict.textContent !== text) verdict.textContent = text;
  verdict.classList.toggle("unsure", !sure);
  const largest = Math.max(...answer.probabilities);
  element("share").textContent = `${percent((sure ? sure.share : largest / PROBABILITY_ONE))} ${sure ? "probable" : "for the most probable"}`;
  answer.probabilities.forEach((probability, index) => {
    const row = element("bars").children[index];
    row.classList.toggle("top", probability === largest);
    row.children[1].style.setProperty("--share", probability / PROBABILITY_ONE);
    row.children[2].textContent = percent(probability / PROBABILITY_ONE);
  });
  element("seen").getContext("2d").putImageData(answer.picture, 0, 0);
  for (const [stage, id] of [["resize", "resize-time"], ["classify", "classify-time"]]) {
    const next = answer.milliseconds[stage];
    pace[stage] = stream ? follow(pace[stage], next) : next;
    element(id).textContent = pace[stage].toFixed(1);
  }
  element("rate").textContent = stream && pace.interval > 0 ? (1000 / pace.interval).toFixed(1) : "–";
}

/** Draws what `source` shows and has the board look at it. */
function look(source, width, height) {
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  [frame.width, frame.height] = [width, height].map((side) => Math.max(1, Math.floor(side * scale)));
  // What is transparent is white, as for the trainer.
  context.fillStyle = "white";
  context.fillRect(0, 0, frame.width, frame.height);
  context.drawImage(source, 0, 0, frame.width, frame.height);
  return board.see(context.getImageData(0, 0, frame.width, frame.height));
}

// Pictures

/** Colours as the file has them, which is how the trainer reads it. */
const decode = (file) => createImageBitmap(file, { colorSpaceConversion: "none" });

/** Adds a picture to the strip and gives its button. */
function addPicture(name, file) {
  const button = create("button");
  button.type = "button";
  button.file = file;
  button.title = name;
  button.append(document.createElement("canvas"), create("span"));
  button.addEventListener("click", () => {
    stopCamera();
    lookAt(button);
  });
  strip.append(button);
  return button;
}

async function lookAt(button) {
  const [thumbnail, caption] = button.children;
  let bitmap;
  try {
    bitmap = await decode(button.file);
  } catch {
    notify(`${button.title} is no picture that this browser can read.`);
    button.remove();
    return;
  }
  if (stream) return;
  const answer = look(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  if (!caption.textContent) {
    const side = Math.min(frame.width, frame.height);
    thumbnail.width = thumbnail.height = Math.min(side, 128);
    const [left, top] = [(frame.width - side) / 2, (frame.height - side) / 2];
    thumbnail.getContext("2d").drawImage(frame, left, top, side, side, 0, 0, thumbnail.width, thumbnail.height);
    thumbnail.classList.toggle("pixels", side < 64);
  }
  frame.classList.toggle("pixels", Math.min(frame.width, frame.height) < 128);
  caption.textContent = named(answer)?.label ?? "not sure";
  for (const other of strip.children) other.setAttribute("aria-pressed", other === button);
  show(answer);
}

/** Of all pictures, at last the one that is chosen, or else the first. */
async function lookAtAll(buttons = [...strip.children]) {
  const chosen = buttons.find((button) => button.ariaPressed === "true") ?? buttons[0];
  for (const button of buttons.filter((button) => button !== chosen)) await lookAt(button);
  if (chosen) await lookAt(chosen);
}

/** Pictures and models that somebody chose or dropped. */
async function take(files) {
  notify("");
  const pictures = [];
  for (const file of files) {
    if (!file.name.endsWith(".blob")) {
      pictures.push(file);
      continue;
    }
    const blob = new Uint8Array(await file.arrayBuffer());
    if (!isBoardShown()) await boot(file.name, blob);
    else if (boardView.canDeploy()) boardView.deploy(file.name, blob);
    else notify("A model is sent to a board that is connected and has nothing else to do.");
  }
  if (pictures.length === 0) return;
  location.hash = "";
  stopCamera();
  const buttons = pictures.map((file) => addPicture(file.name, file));
  strip.prepend(...buttons);
  await lookAtAll(buttons);
}

// The camera

const NO_CAMERA = {
  NotAllowedError: "The browser was not allowed to use the camera: allow it for this page, beside the address.",
  NotFoundError: "There is no camera.",
  NotReadableError: "The camera is used by another program.",
};

async function startCamera() {
  notify("");
  if (!navigator.mediaDevices) {
    notify("Browsers give a camera to pages of https:// and of localhost only.");
    return;
  }
  try {
    const wanted = { facingMode: "environment", width: { ideal: 640 }, height: { ideal: 480 } };
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stopCamera();
    notify(NO_CAMERA[error.name] ?? `The camera cannot be used: ${error.message}.`);
    return;
  }
  stream.getVideoTracks()[0].addEventListener("ended", () => {
    stopCamera();
    notify("The camera is gone.");
  });
  for (const button of strip.children) button.setAttribute("aria-pressed", false);
  frame.classList.remove("pixels");
  showCamera();
  board.begin(true);
  Object.assign(pace, { interval: 0, resize: 0, classify: 0, last: 0 });
  watch(stream);
}

/** Looks at each frame of the video, as long as the camera is the one that was started. */
function watch(watched) {
  const next = video.requestVideoFrameCallback?.bind(video) ?? requestAnimationFrame;
  next(() => {
    if (stream !== watched) return;
    if (video.videoWidth > 0) {
      const now = performance.now();
      if (pace.last) pace.interval = follow(pace.interval, now - pace.last);
      pace.last = now;
      show(look(video, video.videoWidth, video.videoHeight));
      boardView.offer(video, video.videoWidth, video.videoHeight);
    }
    watch(watched);
  });
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  video.srcObject = null;
  board.begin(false);
  showCamera();
}

function showCamera() {
  element("live").hidden = !stream;
  element("camera").classList.toggle("primary", !stream);
  element("camera").textContent = stream ? "Stop camera" : "Start camera";
}

element("camera").addEventListener("click", () => (stream ? stopCamera() : startCamera()));
for (const id of ["pictures", "blob", "deploy"]) {
  element(id).addEventListener("change", async ({ target }) => {
    await take([...target.files]);
    // So that the same file can be chosen again.
    target.value = "";
  });
}

// The views

const TITLES = {
  browser: ["This browser is a board", "The int8 network that runs on a microcontroller, with the same bits. Pictures never leave this page."],
  board: ["A board on a cable", "What it sees and says, training pictures from it, and other models for it. Nothing leaves this computer."],
};

const isBoardShown = () => location.hash === "#board";

function showView() {
  const isBoard = isBoardShown();
  if (isBoard && stream) stopCamera();
  notify("");
  [element("title").textContent, element("subtitle").textContent] = TITLES[isBoard ? "board" : "browser"];
  element("to-browser").ariaCurrent = isBoard ? null : "page";
  element("to-board").ariaCurrent = isBoard ? "page" : null;
  boardView.show(isBoard);
}

// Dropped anywhere

let inside = 0;
const mark = (change) => {
  inside = Math.max(0, inside + change);
  document.body.classList.toggle("dropping", inside > 0);
};
addEventListener("dragenter", () => mark(1));
addEventListener("dragleave", () => mark(-1));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  mark(-inside);
  take([...event.dataTransfer.files]);
});

// The start

async function fetched(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response;
}

async function start() {
  const [bytes, blob, ...samples] = await Promise.all([
    fetched("board.wasm").then((response) => response.arrayBuffer()),
    fetched("model.blob").then((response) => response.arrayBuffer()),
    ...SAMPLES.map((name) => fetched(`samples/${name}.png`).then((response) => response.blob())),
  ]);
  samples.forEach((file, index) => addPicture(`sample ${index + 1}`, file));
  module = await WebAssembly.compile(bytes);
  await boardView.start(module, () => Boolean(stream));
  addEventListener("hashchange", showView);
  showView();
  await boot("model.blob", new Uint8Array(blob));
}

start().catch((error) => notify(`The page could not start: ${error.message}`));
navigator.serviceWorker?.register("service-worker.js").catch((error) => console.warn("no use without network:", error));
