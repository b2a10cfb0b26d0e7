// A board: one instance of the WebAssembly module, which boots with one blob. See `src/lib.rs`.

const decoder = new TextDecoder();

/** An instance of the module, and the memory that it shares with the page. */
export class Instance {
  exports;

  constructor(instance) {
    this.exports = instance.exports;
  }

  bytes(address, len) {
    return new Uint8Array(this.exports.memory.buffer, address, len);
  }

  put(bytes) {
    this.bytes(this.exports.board_room(bytes.length), bytes.length).set(bytes);
  }

  /** The answer's bytes, which the next call overwrites. */
  answered(len) {
    return this.bytes(this.exports.board_answer(), len);
  }

  answer(len) {
    const answer = JSON.parse(decoder.decode(this.answered(len)));
    if ("Err" in answer) throw new Error(answer.Err);
    return answer.Ok;
  }
}

/** A picture as a canvas takes it, of one or three bytes a pixel. */
export function imageData(bytes, { height, width, channels }) {
  const picture = new ImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      picture.data[4 * pixel + colour] = bytes[pixel * channels + (channels === 3 ? colour : 0)];
    }
    picture.data[4 * pixel + 3] = 255;
  }
  return picture;
}

/** The pictures' pixels are `ImageData`; probabilities are in units of 1/65,535. */
export class Board extends Instance {
  /** What is known about the model. */
  card;

  /** Throws an `Error` with the loader's words if the blob is refused. */
  static async boot(module, blob) {
    const board = new Board(await WebAssembly.instantiate(module));
    board.put(blob);
    board.card = board.answer(board.exports.board_boot());
    return board;
  }

  /** Whether the frames that come are a video's, which are smoothed, or pictures on their own. */
  begin(isVideo) {
    this.exports.board_begin(isVideo);
  }

  /** What a frame shows, as `{ verdict, probabilities, logits, picture, milliseconds }`; throws if it has no pixels. */
  see({ data, width, height }) {
    this.put(data);
    const start = performance.now();
    this.answer(this.exports.board_resize(width, height));
    const resized = performance.now();
    const len = this.exports.board_classify();
    const classified = performance.now();
    const { height: rows, width: columns, channels } = this.card;
    return {
      ...this.answer(len),
      picture: imageData(this.bytes(this.exports.board_picture(), rows * columns * channels), this.card),
      milliseconds: { resize: resized - start, classify: classified - resized },
    };
  }
}
