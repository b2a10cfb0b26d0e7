// A board: one instance of the WebAssembly module, which boots with one blob. See `src/lib.rs`.

const decoder = new TextDecoder();

/** The pictures' pixels are `ImageData`; probabilities are in units of 1/65,535. */
export class Board {
  #exports;
  /** What is known about the model. */
  card;

  /** Throws an `Error` with the loader's words if the blob is refused. */
  static async boot(module, blob) {
    const board = new Board();
    board.#exports = (await WebAssembly.instantiate(module)).exports;
    board.#put(blob);
    board.card = board.#answer(board.#exports.board_boot());
    return board;
  }

  /** Whether the frames that come are a video's, which are smoothed, or pictures on their own. */
  begin(isVideo) {
    this.#exports.board_begin(isVideo);
  }

  /** What a frame shows, as `{ verdict, probabilities, logits, picture, milliseconds }`; throws if it has no pixels. */
  see({ data, width, height }) {
    this.#put(data);
    const start = performance.now();
    this.#answer(this.#exports.board_resize(width, height));
    const resized = performance.now();
    const len = this.#exports.board_classify();
    const classified = performance.now();
    return {
      ...this.#answer(len),
      picture: this.#picture(),
      milliseconds: { resize: resized - start, classify: classified - resized },
    };
  }

  #bytes(address, len) {
    return new Uint8Array(this.#exports.memory.buffer, address, len);
  }

  #put(bytes) {
    this.#bytes(this.#exports.board_room(bytes.length), bytes.length).set(bytes);
  }

  #answer(len) {
    const answer = JSON.parse(decoder.decode(this.#bytes(this.#exports.board_answer(), len)));
    if ("Err" in answer) throw new Error(answer.Err);
    return answer.Ok;
  }

  /** The network's picture as a canvas takes it. */
  #picture() {
    const { height, width, channels } = this.card;
    const seen = this.#bytes(this.#exports.board_picture(), height * width * channels);
    const picture = new ImageData(width, height);
    for (let pixel = 0; pixel < height * width; pixel += 1) {
      for (let colour = 0; colour < 3; colour += 1) {
        picture.data[4 * pixel + colour] = seen[pixel * channels + (channels === 3 ? colour : 0)];
      }
      picture.data[4 * pixel + 3] = 255;
    }
    return picture;
  }
}
