// zip.js - a ZIP archive of texts, stored as they are, with names in UTF-8 (APPNOTE.TXT, 4.3). No more than ENTRIES.

export const ENTRIES = 65535;
const table = Uint32Array.from({length: 256}, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1;
  return n;
});
const crc32 = bytes => ~bytes.reduce((c, b) => table[(c ^ b) & 255] ^ c >>> 8, ~0) >>> 0;

// A file's own path, which leads nowhere else; a second of the same name gets a number.
function place(path, taken) {
  const plain = path.split(/[\\/]/).filter(part => part && part !== '.' && part !== '..').join('/') || 'picture';
  let name = plain;
  for (let n = 2; taken.has(name); n++) name = plain.replace(/(\.[^./]*)?$/, `-${n}$1`);
  taken.add(name);
  return name;
}

// numbers: [bytes, value], little-endian
function pack(...numbers) {
  const out = new DataView(new ArrayBuffer(numbers.reduce((n, [size]) => n + size, 0)));
  let at = 0;
  for (const [size, value] of numbers) {
    size === 2 ? out.setUint16(at, value, true) : out.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(out.buffer);
}

// files: [[path, text]]; a Blob
export function zip(files) {
  const utf8 = new TextEncoder(), taken = new Set(), bodies = [], index = [];
  let at = 0, listed = 0;
  for (const [path, text] of files) {
    const name = utf8.encode(place(path, taken)), data = utf8.encode(text);
    // version 2.0, UTF-8, stored, 1980-01-01
    const facts = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, crc32(data)], [4, data.length], [4, data.length], [2, name.length], [2, 0]];
    const head = pack([4, 0x04034b50], ...facts), entry = pack([4, 0x02014b50], [2, 20], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]);
    bodies.push(head, name, data);
    index.push(entry, name);
    at += head.length + name.length + data.length;
    listed += entry.length + name.length;
  }
  const n = files.length;
  return new Blob([...bodies, ...index, pack([4, 0x06054b50], [2, 0], [2, 0], [2, n], [2, n], [4, listed], [4, at], [2, 0])]);
}
