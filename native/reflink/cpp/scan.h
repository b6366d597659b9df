// Walking a directory tree (erofs-image.md §10): every node's attributes, small files' contents, large files' fs-verity
// digests, or objects made of them. No policy: nothing is skipped or filtered, and the first failure ends the walk.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "object_store.h"

namespace reflink {

// Numbers shared with src/scan.ts.
enum class ScanKind : uint8_t { kDirectory, kInline, kExternal, kSymlink, kChar, kBlock, kFifo, kSocket };
enum class ScanStep : uint8_t {
  kNone,
  kOpen,
  kStat,
  kReadDirectory,
  kListXattr,
  kGetXattr,
  kReadLink,
  kRead,
  kTypeChanged,  // readdir and fstat tell of different types
  kSizeChanged,  // fewer bytes could be read than fstat told of
  kStore,        // the object store refused; the row says why
  kCancelled,
};

struct ScanSettings {
  int root_fd;
  Algorithm algorithm;
  uint64_t inline_limit;               // bytes; files up to this size come with their content
  std::shared_ptr<ObjectStore> store;  // null: digests only
  const std::atomic<int32_t>* cancel;  // not 0: stop
};

struct ScanFailure {
  ScanStep step = ScanStep::kNone;
  int error = 0;               // positive errno
  std::string path;            // beneath the root; empty for the root itself
  uint32_t expected = 0;       // file types, where these differ: mode >> 12
  uint32_t found = 0;
  uint64_t expected_size = 0;  // bytes, where these differ
  Row row;                     // of kStore
};

// Nodes in depth-first order, names bytewise, the root first; an entry follows the node of its parent. Variable parts
// lie one after the other in `bytes` columns, their lengths beside.
struct ScanColumns {
  std::vector<uint8_t> kinds;
  std::vector<uint16_t> modes;
  std::vector<uint32_t> uids, gids, nanoseconds;
  std::vector<int64_t> seconds;
  std::vector<double> sizes;              // bytes of a regular file, rdev of a device
  std::vector<uint32_t> content_lengths;  // inline content, target of a symlink, digest
  std::vector<uint8_t> content_bytes;
  std::vector<uint32_t> xattr_counts, xattrs;  // per node; then indices of pairs
  std::vector<uint32_t> pair_name_lengths, pair_value_lengths;
  std::vector<uint8_t> pair_bytes;
  std::vector<uint32_t> entry_parents, entry_nodes;
  std::vector<uint16_t> name_lengths;
  std::vector<uint8_t> name_bytes;
};

class Scan {
 public:
  Scan(ScanSettings settings, size_t workers);
  ~Scan();

  // One of the `workers` threads of the walk. The last one to come back has packed the columns.
  void work(size_t worker);

  const ScanFailure& failure() const { return failure_; }
  const ScanColumns& columns() const { return columns_; }

 private:
  struct Node;
  struct Directory;
  struct Worker;
  // A directory to read (parent and entry; no parent: the root) or, with last > first, a range of entries.
  struct Task {
    Directory* directory;
    std::shared_ptr<Fd> fd;
    uint32_t first, last;
  };
  struct InodeKey {
    uint64_t device, inode;
    bool operator==(const InodeKey& other) const { return device == other.device && inode == other.inode; }
  };
  struct InodeHash {
    size_t operator()(const InodeKey& key) const { return (key.inode * 0x9e3779b97f4a7c15u) ^ key.device; }
  };
  static constexpr size_t kShards = 16;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<InodeKey, Node*, InodeHash> nodes;
  };

  void push(Task task);
  void run(Worker& worker, const Task& task);
  bool read_directory(Worker& worker, const Task& task);
  bool read_names(Worker& worker, Directory& directory, int fd);
  bool read_entries(Worker& worker, const Task& task);
  bool read_leaf(Worker& worker, const Task& task, uint32_t entry, bool* long_work);
  bool read_regular(Worker& worker, Node& node, int fd, uint64_t device, const Directory& directory, uint32_t entry);
  bool read_attributes(Worker& worker, Node& node, int fd, bool path_only, const Directory* directory, uint32_t entry);
  bool hash_file(Worker& worker, Node& node, int fd, const Directory& directory, uint32_t entry);
  void hash_contents(Worker& worker);
  uint32_t pair_index(const char* name, size_t name_length, const uint8_t* value, size_t value_length);
  bool fail(ScanFailure failure, const Directory* directory, uint32_t entry);
  bool fail(ScanStep step, int negative_errno, const Directory* directory, uint32_t entry);
  bool stopped() const;
  void pack();

  const ScanSettings settings_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<size_t> ended_{0};
  std::atomic<bool> failed_{false};
  Node* root_ = nullptr;

  std::mutex mutex_;  // of the next four
  std::condition_variable wake_;
  std::vector<Task> tasks_;
  size_t active_ = 0;
  ScanFailure failure_;

  Shard shards_[kShards];
  std::mutex pair_mutex_;
  std::unordered_map<std::string, uint32_t> pairs_;  // name, NUL, value
  ScanColumns columns_;
};

}  // namespace reflink
