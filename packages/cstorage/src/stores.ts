// What finding an image takes, without what reads layers, whose modules take time to load.
export { canBypassFilePermissions } from "./can-bypass-file-permissions.ts";
export { discoverStores } from "./discover.ts";
export { accessLayers, DIRECT_ACCESS } from "./layer-access.ts";
