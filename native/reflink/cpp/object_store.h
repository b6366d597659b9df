// Putting files and bytes into objects/XX/rest… under their fs-verity digest (repository.md §2). No policy: what may
// be tried (hard link, copy) and what a failure means is the caller's.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "crc64.h"
#include "kernel.h"
#include "verity_hasher.h"

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

struct StoreSettings {
  int objects_fd;
  Algorithm algorithm;
  bool verity;
  bool hardlink;
  bool copy;
};

constexpr uint64_t kAnySize = ~uint64_t{0};

struct SourceItem {
  std::string path;
  uint64_t size = 0;  // kAnySize: up to the limit of the reader
  bool check_crc = false;
  bool inline_content = false;
  uint64_t crc = 0;
};

// What a thread keeps between items, so that small files allocate nothing.
struct Scratch {
  explicit Scratch(Algorithm algorithm) : hasher(algorithm), buffer(256 * 1024) {}
  VerityHasher hasher;
  std::vector<uint8_t> buffer;
};
Scratch& scratch(Algorithm algorithm);

// A file in objects/ that has no final name yet: unnamed, or named .tmp-object-… where O_TMPFILE is unknown.
class Staging {
 public:
  ~Staging() { discard(); }
  int open(int objects_fd);
  int fd() const { return fd_.get(); }
  int seal();  // swaps the writable descriptor for a read-only one, as fs-verity wants
  int link_as(const char* path);
  int replace(const char* path);  // over an existing name
  void discard();
  void swap(Staging& other);

 private:
  int objects_fd_ = -1;
  Fd fd_;
  std::string name_;
};

class ObjectStore {
 public:
  explicit ObjectStore(const StoreSettings& settings) : settings_(settings) {}

  const StoreSettings& settings() const { return settings_; }

  void store_file(const std::vector<int>& dirs, const SourceItem& item, const std::atomic<int32_t>* cancel, Row& row);
  // The same for a file that is open; item.size is its size, its path is not used.
  void store_open_file(int source, dev_t device, const SourceItem& item, const std::atomic<int32_t>* cancel, Row& row);
  void store_buffer(const uint8_t* data, size_t length, Row& row);
  // Names a staging file. `digest` is what was hashed on the way in; ignored where fs-verity measures.
  void commit(Staging& staging, const uint8_t* digest, uint64_t size, Outcome method, Row& row);
  // Trials that leave nothing behind: 0 or a negative errno. A link shows for a moment, under a temporary name.
  int probe_reflink(int source_fd);
  int probe_hardlink(int source_fd);

 private:
  bool clone_into(Staging& staging, int source, dev_t device, Row& row);
  bool copies_from_memory(uint64_t size, dev_t device);
  void copy_from_memory(int source, const SourceItem& item, Row& row);
  bool hardlink(int source, const SourceItem& item, const std::atomic<int32_t>* cancel, Row& row);
  bool digest_and_check(int fd, const SourceItem& item, uint8_t* digest, const std::atomic<int32_t>* cancel, Row& row);
  int fix_verity(Staging& staging);
  bool name(Staging* staging, int source, uint64_t size, Outcome method, Row& row);
  bool known_unclonable(dev_t device);
  bool stands(const char* path, uint64_t size, const uint8_t* id);

  const StoreSettings settings_;
  std::mutex mutex_;
  std::set<dev_t> unclonable_;  // source devices that answered EOPNOTSUPP or EXDEV
};

// Opens `item` beneath the first directory that has it, skipping metacopy stubs; a negative result is in `row`.
Fd open_source(const std::vector<int>& dirs, const SourceItem& item, uint64_t* size, dev_t* device, Row& row);
void read_whole(int fd, uint64_t size, const SourceItem& item, Row& row);
void read_file(const std::vector<int>& dirs, const SourceItem& item, uint64_t limit, Row& row);

}  // namespace reflink
