// The page at the other end of a board's line: one instance of the WebAssembly module. See `src/client.rs`.

import { Instance, imageData } from "./board.js";

const encoder = new TextEncoder();

export class Client extends Instance {
  static async start(module) {
    const client = new Client(await WebAssembly.instantiate(module));
    client.exports.client_start(crypto.getRandomValues(new Uint32Array(1))[0]);
    return client;
  }

  /** What it can do, at the present time. */
  get #now() {
    this.exports.client_time(performance.now(), Date.now());
    return this.exports;
  }

  connected() {
    this.#now.client_connected();
  }

  lost(reason) {
    this.put(encoder.encode(reason));
    this.#now.client_lost();
  }

  receive(bytes) {
    this.put(bytes);
    this.#now.client_receive();
  }

  /** Bytes that are to be sent now. */
  advance() {
    return this.answered(this.#now.client_advance()).slice();
  }

  /** Ends what is going on; gives the bytes that leave the board as it was. */
  leave() {
    return this.answered(this.#now.client_leave()).slice();
  }

  /** All that is to be shown. */
  view() {
    return this.answer(this.#now.client_view());
  }

  /** The network's newest picture, in the shape that the view says. */
  picture(shape) {
    return imageData(this.answered(this.exports.client_picture()), shape);
  }

  /** Throws an `Error` if the blob is no model. */
  deploy(blob) {
    this.put(blob);
    this.answer(this.#now.client_deploy());
  }

  rollBack() {
    this.#now.client_rollback();
  }

  diagnose(wantsCard) {
    this.#now.client_diagnose(wantsCard);
  }

  choose(index) {
    this.exports.client_choose(index);
  }

  /** Chooses a class, which may be a new one; gives whether that can be a name. */
  nameClass(name) {
    this.put(encoder.encode(name));
    return Boolean(this.exports.client_name_class());
  }

  /** Whose pictures are taken from now on: those of the page's own camera, or those of the board's. */
  source(isPage) {
    this.#now.client_source(isPage);
  }

  /** Takes pictures, of the page's camera if that runs. */
  shoot(count, isRunning) {
    this.#now.client_shoot(count, isRunning);
  }

  /** Whether a picture of the page's camera is to be taken now. */
  get isDue() {
    return Boolean(this.#now.client_is_due());
  }

  take({ data, width, height }) {
    this.put(data);
    this.#now.client_take(width, height);
  }

  undo() {
    this.exports.client_undo();
  }

  /** A zip file of all pictures. */
  zip() {
    return this.answered(this.exports.client_zip()).slice();
  }
}
