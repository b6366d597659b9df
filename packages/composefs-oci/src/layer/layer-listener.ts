import type { ObjectId, SplitstreamPart } from "@composefs/core";
import type { TarEvent } from "@composefs/tar-header";

/**
 * Told of a layer while it is stored. A layer whose tar is parsed for that tells the events of the tar, without raw bytes
 * and without contents that become objects, and apart from them the id of each object, in the same order but later. Any other
 * layer tells the parts of its splitstream. Bytes may change afterwards; a listener must not throw.
 */
export interface LayerListener {
  onEvent(event: TarEvent): void;
  onObject(id: ObjectId): void;
  onPart(part: SplitstreamPart): void;
}
