// Unpacks gzip without waiting (RFC 1951 and 1952). DecompressionStream answers later, and a page that is about to be
// printed cannot wait: its charts must be drawn before the handler of "beforeprint" returns.
const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
  4097, 6145, 8193, 12289, 16385, 24577];
const DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LONGEST = 15;

// A table of all 15-bit inputs, least bit first: symbol * 16 + length of its code.
function codeTable(lengths) {
  const table = new Uint16Array(1 << LONGEST);
  let code = 0;
  for (let length = 1; length <= LONGEST; length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      let reversed = 0;
      for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
      for (let i = reversed; i < table.length; i += 1 << length) table[i] = symbol * 16 + length;
      code++;
    }
    code <<= 1;
  }
  return table;
}

function gunzip(packed) {
  const damaged = () => new Error("the page is damaged");
  if (packed[0] !== 31 || packed[1] !== 139 || packed[2] !== 8 || packed[3]) throw damaged();
  const size = new DataView(packed.buffer, packed.byteOffset + packed.length - 4).getUint32(0, true);
  const out = new Uint8Array(size);
  let written = 0, place = 10, held = 0, count = 0; // a header without optional fields has 10 bytes
  const bits = (n) => {
    while (count < n) {
      held |= packed[place++] << count;
      count += 8;
    }
    const value = held & ((1 << n) - 1);
    held >>>= n;
    count -= n;
    return value;
  };
  const symbol = (table) => {
    while (count < LONGEST && place < packed.length) {
      held |= packed[place++] << count;
      count += 8;
    }
    const entry = table[held & ((1 << LONGEST) - 1)];
    if (!entry) throw damaged();
    held >>>= entry & 15;
    count -= entry & 15;
    return entry >> 4;
  };
  const ownCodes = () => {
    const literals = bits(5) + 257, distances = bits(5) + 1, given = bits(4) + 4;
    const short = new Uint8Array(19), lengths = new Uint8Array(literals + distances);
    for (let i = 0; i < given; i++) short[CODE_ORDER[i]] = bits(3);
    const table = codeTable(short);
    for (let i = 0; i < lengths.length; ) {
      const sign = symbol(table);
      if (sign < 16) {
        lengths[i++] = sign;
        continue;
      }
      const repeated = sign === 16 ? lengths[i - 1] : 0;
      const times = sign === 16 ? 3 + bits(2) : sign === 17 ? 3 + bits(3) : 11 + bits(7);
      lengths.fill(repeated, i, i + times);
      i += times;
    }
    return [codeTable(lengths.subarray(0, literals)), codeTable(lengths.subarray(literals))];
  };
  const fixedCodes = () => {
    const lengths = new Uint8Array(288);
    lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280);
    return [codeTable(lengths), codeTable(new Uint8Array(30).fill(5))];
  };
  for (let last = 0; !last; ) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      place -= count >> 3; // whole bytes that were read ahead
      held = count = 0;
      const length = packed[place] | (packed[place + 1] << 8);
      out.set(packed.subarray(place + 4, place + 4 + length), written);
      place += 4 + length;
      written += length;
      continue;
    }
    const [literal, distance] = kind === 1 ? fixedCodes() : ownCodes();
    for (let sign = symbol(literal); sign !== 256; sign = symbol(literal)) {
      if (sign < 256) {
        out[written++] = sign;
        continue;
      }
      const length = LENGTH_BASE[sign - 257] + bits(LENGTH_BITS[sign - 257]);
      const far = symbol(distance);
      let from = written - DISTANCE_BASE[far] - bits(DISTANCE_BITS[far]);
      if (from < 0 || written + length > size) throw damaged();
      for (const end = written + length; written < end; ) out[written++] = out[from++];
    }
  }
  return out;
}
