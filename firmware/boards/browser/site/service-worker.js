// Keeps the page for when there is no network. What the network gives comes first, so that nothing has to be invalidated.

const CACHE = "board";
const SAMPLES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const FILES = [
  ...["./", "style.css", "app.js", "board.js", "board-view.js", "client.js", "dom.js", "board.wasm", "model.blob", "icon.svg", "app.webmanifest"],
  ...SAMPLES.map((name) => `samples/${name}.png`),
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(load(event.request));
});

async function load(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
