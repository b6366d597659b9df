// What a walk keeps of a tree until it is packed into columns.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "scan.h"

namespace reflink {

constexpr uint32_t kUnnumbered = ~uint32_t{0};

struct Scan::Node {
  ScanKind kind = ScanKind::kDirectory;
  uint16_t mode = 0;
  uint32_t uid = 0, gid = 0, nanoseconds = 0;
  int64_t seconds = 0;
  uint64_t size = 0;    // or rdev
  std::string content;  // inline content, target, or digest
  std::vector<uint32_t> xattrs;
  Directory* directory = nullptr;
  uint32_t index = kUnnumbered;

  void set(const struct stat& st) {
    mode = st.st_mode & 07777;
    uid = st.st_uid, gid = st.st_gid;
    seconds = st.st_mtim.tv_sec, nanoseconds = static_cast<uint32_t>(st.st_mtim.tv_nsec);
  }
};

struct Scan::Directory {
  struct Entry {
    uint32_t name;  // offset in `names`, which ends each with NUL
    uint16_t name_length;
    uint8_t type;
    Node* node;
  };
  const Directory* parent = nullptr;  // null: the root
  uint32_t entry = 0;                 // in the parent
  std::string names;
  std::vector<Entry> entries;

  const char* name(uint32_t i) const { return names.data() + entries[i].name; }
};

inline void append(std::vector<uint8_t>& out, const void* data, size_t length) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  out.insert(out.end(), bytes, bytes + length);
}

}  // namespace reflink
