// The nodes of a finished walk as columns.
#include "scan_nodes.h"

namespace reflink {

void Scan::pack() {
  ScanColumns& out = columns_;
  const auto add = [&out](Node& node) {
    node.index = static_cast<uint32_t>(out.kinds.size());
    out.kinds.push_back(static_cast<uint8_t>(node.kind));
    out.modes.push_back(node.mode);
    out.uids.push_back(node.uid);
    out.gids.push_back(node.gid);
    out.seconds.push_back(node.seconds);
    out.nanoseconds.push_back(node.nanoseconds);
    out.sizes.push_back(static_cast<double>(node.size));
    out.content_lengths.push_back(static_cast<uint32_t>(node.content.size()));
    append(out.content_bytes, node.content.data(), node.content.size());
    out.xattr_counts.push_back(static_cast<uint32_t>(node.xattrs.size()));
    out.xattrs.insert(out.xattrs.end(), node.xattrs.begin(), node.xattrs.end());
  };
  struct Place {
    const Node* node;
    size_t next;
  };
  std::vector<Place> stack;
  add(*root_);
  stack.push_back({root_, 0});
  while (!stack.empty()) {
    Place& place = stack.back();
    const Directory& directory = *place.node->directory;
    if (place.next == directory.entries.size()) {
      stack.pop_back();
      continue;
    }
    const Directory::Entry& entry = directory.entries[place.next++];
    if (entry.node->index == kUnnumbered) add(*entry.node);
    out.entry_parents.push_back(place.node->index);
    out.entry_nodes.push_back(entry.node->index);
    out.name_lengths.push_back(entry.name_length);
    append(out.name_bytes, directory.names.data() + entry.name, entry.name_length);
    if (entry.node->directory) stack.push_back({entry.node, 0});
  }
}

}  // namespace reflink
