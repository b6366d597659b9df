// What programs need that put an image into a repository: without the rest of the package, whose modules take time to load.
export { Digester, Inflater } from "@composefs/reflink";
export { planImage } from "./erofs/build-image.ts";
export { storedId, storeError } from "./repository/store-error.ts";
export { parseSplitstream } from "./splitstream/reader.ts";
export { byteString, bytesOf, createDirectory, createStat, isDirectory } from "./tree/node.ts";
export { prepareTree } from "./tree/prepare.ts";
export { ZstdDecoder } from "./zstd.ts";
