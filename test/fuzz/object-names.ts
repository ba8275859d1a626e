// Names that mean something to JavaScript, to its library or to us when an object has a member of that name. A client
// writes them where it likes, so every fuzzer does.

export const objectNames: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'toJSON', 'then', 'length', 'name', 'get'],
  ...['hasOwnProperty', 'isLosslessNumber', 'LosslessNumber', 'ExactNumber', 'text', 'value', 'message', 'code'],
];
