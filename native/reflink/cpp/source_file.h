// Files to be stored or read: opened beneath a directory, checked against what is said of them.
#pragma once

#include <sys/stat.h>

#include <array>
#include <string>
#include <vector>

#include "crc64.h"
#include "kernel.h"

namespace reflink {

// Numbers shared with src/object-store.ts.
enum class Outcome : uint8_t {
  kReflinked,
  kHardlinked,
  kCopied,
  kAlreadyPresent,
  kInline,
  kFailedOpen,
  kFailedNotRegular,
  kFailedSize,
  kFailedCrc,
  kFailedRead,
  kFailedMetacopy,
  kFailedStage,
  kFailedReflink,
  kFailedCopyRefused,
  kFailedWrite,
  kFailedVerity,
  kFailedLink,
  kCancelled,
};

struct Row {
  Outcome outcome = Outcome::kCancelled;
  int error = 0;      // positive errno
  uint64_t size = 0;  // size found, of a failed or inline row
  std::array<uint8_t, kMaxDigestBytes> id{};
  std::vector<uint8_t> content;  // of an inline row

  bool failed() const { return outcome > Outcome::kInline; }
  void fail(Outcome step, int negative_errno = 0, uint64_t found = 0) {
    outcome = step, error = -negative_errno, size = found;
  }
};

constexpr uint64_t kAnySize = ~uint64_t{0};

struct SourceItem {
  std::string path;
  int fd = -1;  // of a file that is open already, in place of a path
  uint64_t size = 0;  // kAnySize: up to the limit of the reader
  bool check_crc = false;
  bool inline_content = false;
  uint64_t crc = 0;
};

struct SourceFile {
  int fd = -1;
  Fd owned;        // the same, where it is ours to close
  struct stat st;  // when it was opened

  uint64_t size() const { return static_cast<uint64_t>(st.st_size); }
  // Whether every change from now on shows in unchanged(). The clock that stamps files is coarse; a page written through
  // a mapping shows once it has been clean; and who owns the file has ways to write that leave no stamp at all.
  bool settled() const;
  bool unchanged() const;
};

// Opens `item` beneath the first directory that has it, skipping metacopy stubs; if that fails `row` says why and the
// result has no descriptor.
SourceFile open_source(const std::vector<int>& dirs, const SourceItem& item, Row& row);
// The same of a file that somebody else has opened, and keeps open.
SourceFile take_source(int fd, const SourceItem& item, Row& row);
void read_whole(int fd, uint64_t size, const SourceItem& item, Row& row);
void read_file(const std::vector<int>& dirs, const SourceItem& item, uint64_t limit, Row& row);

}  // namespace reflink
