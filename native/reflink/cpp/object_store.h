// Putting files and bytes into objects/XX/rest… under their fs-verity digest (repository.md §2). No policy: what may
// be tried (hard link, copy) and what a failure means is the caller's.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "source_file.h"
#include "staging.h"
#include "verity_hasher.h"
#include "writeback.h"

namespace reflink {

struct StoreSettings {
  int objects_fd;
  Algorithm algorithm;
  bool verity;
  bool hardlink;
  bool copy;
};

// What a thread keeps between items, so that small files allocate nothing.
struct Scratch {
  explicit Scratch(Algorithm algorithm) : hasher(algorithm), buffer(256 * 1024) {}
  VerityHasher hasher;
  std::vector<uint8_t> buffer;
};
Scratch& scratch(Algorithm algorithm);

class ObjectStore {
 public:
  explicit ObjectStore(const StoreSettings& settings) : settings_(settings) {}

  const StoreSettings& settings() const { return settings_; }

  // Some files in order, up to the first that fails; the rows of those after it stay as they are.
  using OpenItem = std::function<SourceFile(const SourceItem& item, Row& row)>;
  void store_files(const OpenItem& open, const SourceItem* items, size_t count, const std::atomic<int32_t>* cancel,
                   Row* rows);
  // A file that is open; item.size is its size, its path is not used.
  void store_open_file(int source, dev_t device, const SourceItem& item, const std::atomic<int32_t>* cancel, Row& row);
  // Contents in memory, pointers and lengths.
  using Span = std::pair<const uint8_t*, size_t>;
  void store_buffers(const Span* contents, size_t count, Row* rows);
  // Names a staging file. `digest` is what was hashed on the way in; ignored where fs-verity measures.
  void commit(Staging& staging, const uint8_t* digest, uint64_t size, Outcome method, Row& row);
  // write_all() to a staging file.
  int write(const Staging& staging, const uint8_t* data, size_t length);
  // Has the kernel write what was stored; not waited for.
  void begin_writeback() { writeback_.begin(settings_.objects_fd); }
  // Trials that leave nothing behind: 0 or a negative errno. A link shows for a moment, under a temporary name.
  int probe_reflink(int source_fd);
  int probe_hardlink(int source_fd);

 private:
  bool clone_into(Staging& staging, int source, dev_t device, Row& row);
  void store_content(const Span& content, const uint8_t* digest, Row& row);
  bool hashes_first(const SourceFile& source);
  void store_hashed(const SourceFile& source, const SourceItem& item, const uint8_t* content, const uint8_t* digest,
                    const std::atomic<int32_t>* cancel, Row& row);
  bool hardlink(int source, const SourceItem& item, const std::atomic<int32_t>* cancel, Row& row);
  bool digest_and_check(int fd, const SourceItem& item, uint8_t* digest, const std::atomic<int32_t>* cancel, Row& row);
  int fix_verity(Staging& staging);
  bool name(Staging* staging, int source, uint64_t size, Outcome method, Row& row);
  bool known_unclonable(dev_t device);
  bool stands(const char* path, uint64_t size, const uint8_t* id);

  const StoreSettings settings_;
  Writeback writeback_;
  std::mutex mutex_;
  std::set<dev_t> unclonable_;  // source devices that answered EOPNOTSUPP or EXDEV
};

}  // namespace reflink
