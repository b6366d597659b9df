#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "content_group.h"
#include "scan_nodes.h"

namespace reflink {
namespace {

constexpr size_t kDirentBytes = 64 * 1024;
constexpr size_t kXattrBytes = 64 * 1024;       // XATTR_LIST_MAX and XATTR_SIZE_MAX
constexpr size_t kTargetBytes = 4096;           // PATH_MAX: a longer target cannot be
constexpr uint32_t kRangeEntries = 64;          // entries a thread takes at a time
constexpr uint64_t kLongWork = 1024 * 1024;     // a file that long leaves the rest of its range to others
constexpr uint64_t kMaxSize = uint64_t{1} << 53;  // what a double holds exactly

// struct linux_dirent64, which no header of glibc has.
struct KernelDirent {
  uint64_t inode;
  int64_t offset;
  uint16_t record_length;
  uint8_t type;
  char name[];
};
constexpr size_t kDirentNameOffset = 19;

uint32_t type_of(mode_t mode) { return (mode & S_IFMT) >> 12; }  // the numbers of d_type

}  // namespace

// What one thread keeps: what it made, and buffers, so that a node costs few allocations.
struct Scan::Worker {
  std::deque<Node> nodes;
  std::deque<Directory> directories;
  std::vector<uint8_t> dirents = std::vector<uint8_t>(kDirentBytes);
  std::vector<char> xattr_names = std::vector<char>(kXattrBytes);
  std::vector<uint8_t> xattr_value = std::vector<uint8_t>(kXattrBytes);
  ContentGroup contents;
  std::vector<Node*> content_nodes;
};

Scan::Scan(ScanSettings settings, size_t workers) : settings_(std::move(settings)) {
  for (size_t i = 0; i < workers; i++) workers_.push_back(std::make_unique<Worker>());
  tasks_.push_back({nullptr, nullptr, 0, 0});
}

Scan::~Scan() = default;

// Threads that find nothing wait only for threads that are running, so one alone gets to the end as well.
void Scan::work(size_t index) {
  std::unique_lock<std::mutex> hold(mutex_);
  for (;;) {
    wake_.wait(hold, [&] { return !tasks_.empty() || active_ == 0 || stopped(); });
    if (tasks_.empty() || stopped()) break;
    {
      const Task task = std::move(tasks_.back());  // the last one: depth first keeps few directories open
      tasks_.pop_back();
      active_++;
      hold.unlock();
      run(*workers_[index], task);
    }
    hold.lock();
    active_--;
    if (active_ == 0 || stopped()) wake_.notify_all();
  }
  hold.unlock();
  if (++ended_ < workers_.size()) return;
  if (failure_.step == ScanStep::kNone && stopped()) failure_.step = ScanStep::kCancelled;
  tasks_.clear();
  if (failure_.step == ScanStep::kNone) pack();
}

bool Scan::stopped() const {
  return failed_.load(std::memory_order_relaxed) ||
         (settings_.cancel && settings_.cancel->load(std::memory_order_relaxed) != 0);
}

void Scan::push(Task task) {
  std::lock_guard<std::mutex> hold(mutex_);
  tasks_.push_back(std::move(task));
  wake_.notify_one();
}

bool Scan::fail(ScanFailure failure, const Directory* directory, uint32_t entry) {
  for (; directory; entry = directory->entry, directory = directory->parent) {
    const std::string name = directory->name(entry);
    failure.path = failure.path.empty() ? name : name + "/" + failure.path;
  }
  std::lock_guard<std::mutex> hold(mutex_);
  if (failure_.step == ScanStep::kNone) failure_ = std::move(failure);
  failed_.store(true, std::memory_order_relaxed);
  wake_.notify_all();
  return false;
}

bool Scan::fail(ScanStep step, int negative_errno, const Directory* directory, uint32_t entry) {
  ScanFailure failure;
  failure.step = step, failure.error = -negative_errno;
  return fail(std::move(failure), directory, entry);
}

void Scan::run(Worker& worker, const Task& task) {
  if (task.last > task.first) {
    if (read_entries(worker, task)) hash_contents(worker);
  } else {
    read_directory(worker, task);
  }
  worker.contents.clear();
  worker.content_nodes.clear();
}

bool Scan::read_directory(Worker& worker, const Task& task) {
  const Directory* parent = task.directory;
  const uint32_t entry = task.first;
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  // A single component that is no symlink cannot leave the directory, so plain openat does as well as openat2. The
  // root gets a descriptor of its own, because reading moves the position of the caller's.
  auto fd = std::make_shared<Fd>(openat(parent ? task.fd->get() : settings_.root_fd, parent ? parent->name(entry) : ".", kFlags));
  if (!fd->valid()) {
    const int error = errno;
    struct stat now;
    if (parent && (error == ENOTDIR || error == ELOOP) &&
        fstatat(task.fd->get(), parent->name(entry), &now, AT_SYMLINK_NOFOLLOW) == 0) {
      ScanFailure failure;
      failure.step = ScanStep::kTypeChanged, failure.expected = DT_DIR, failure.found = type_of(now.st_mode);
      return fail(std::move(failure), parent, entry);
    }
    return fail(ScanStep::kOpen, -error, parent, entry);
  }
  struct stat st;
  if (fstat(fd->get(), &st) < 0) return fail(ScanStep::kStat, -errno, parent, entry);

  worker.nodes.emplace_back();
  Node& node = worker.nodes.back();
  worker.directories.emplace_back();
  Directory& directory = worker.directories.back();
  directory.parent = parent, directory.entry = entry;
  node.directory = &directory;
  node.set(st);
  if (parent) {
    task.directory->entries[entry].node = &node;
  } else {
    root_ = &node;
  }
  if (!read_attributes(worker, node, fd->get(), false, parent, entry)) return false;
  if (!read_names(worker, directory, fd->get())) return false;

  const uint32_t count = static_cast<uint32_t>(directory.entries.size());
  for (uint32_t first = kRangeEntries; first < count; first += kRangeEntries) {
    push({&directory, fd, first, std::min(first + kRangeEntries, count)});
  }
  if (count == 0) return true;
  const bool done = read_entries(worker, {&directory, fd, 0, std::min(kRangeEntries, count)});
  if (done) hash_contents(worker);
  return done;
}

bool Scan::read_names(Worker& worker, Directory& directory, int fd) {
  for (;;) {
    const long n = syscall(SYS_getdents64, fd, worker.dirents.data(), worker.dirents.size());
    if (n < 0) return fail(ScanStep::kReadDirectory, -errno, directory.parent, directory.entry);
    if (n == 0) break;
    for (long at = 0; at < n;) {
      const auto* dirent = reinterpret_cast<const KernelDirent*>(worker.dirents.data() + at);
      const char* name = reinterpret_cast<const char*>(dirent) + kDirentNameOffset;
      at += dirent->record_length;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
      const size_t length = strlen(name);
      directory.entries.push_back({static_cast<uint32_t>(directory.names.size()), static_cast<uint16_t>(length), dirent->type, nullptr});
      directory.names.append(name, length + 1);
    }
  }
  const char* names = directory.names.data();
  std::sort(directory.entries.begin(), directory.entries.end(),
            [names](const auto& a, const auto& b) { return strcmp(names + a.name, names + b.name) < 0; });
  return true;
}

bool Scan::read_entries(Worker& worker, const Task& task) {
  for (uint32_t i = task.first; i < task.last; i++) {
    if (stopped()) return false;
    if (task.directory->entries[i].type == DT_DIR) {
      push({task.directory, task.fd, i, i});
      continue;
    }
    bool long_work = i + 1 < task.last;
    if (!read_leaf(worker, task, i, &long_work)) return false;
    if (long_work) return true;  // read_leaf has given the rest away
  }
  return true;
}

// On return *long_work tells whether the entries after this one have been left to another thread, which happens only
// if it was set on call.
bool Scan::read_leaf(Worker& worker, const Task& task, uint32_t i, bool* long_work) {
  Directory& directory = *task.directory;
  Directory::Entry& entry = directory.entries[i];
  const bool may_split = *long_work;
  *long_work = false;
  const bool regular = entry.type == DT_REG;
  const int flags = (regular ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH) | O_NOFOLLOW | O_CLOEXEC;
  const Fd fd(openat(task.fd->get(), directory.name(i), flags));
  struct stat st;
  if (!fd.valid()) {
    const int error = errno;
    // Opening what has become something else (ELOOP: a symlink) is told like any other change of type.
    if (!regular || error == ENOENT || fstatat(task.fd->get(), directory.name(i), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        S_ISREG(st.st_mode)) {
      return fail(ScanStep::kOpen, -error, &directory, i);
    }
  } else if (fstat(fd.get(), &st) < 0) {
    return fail(ScanStep::kStat, -errno, &directory, i);
  }
  if (type_of(st.st_mode) != entry.type) {
    ScanFailure failure;
    failure.step = ScanStep::kTypeChanged, failure.expected = entry.type, failure.found = type_of(st.st_mode);
    return fail(std::move(failure), &directory, i);
  }

  const InodeKey key = {st.st_dev, st.st_ino};
  Node* node;
  {
    Shard& shard = shards_[InodeHash()(key) >> 32 & (kShards - 1)];
    std::lock_guard<std::mutex> hold(shard.mutex);
    Node*& slot = shard.nodes[key];
    if (slot) {
      entry.node = slot;
      return true;
    }
    worker.nodes.emplace_back();
    node = slot = entry.node = &worker.nodes.back();
  }
  node->set(st);
  if (!read_attributes(worker, *node, fd.get(), !regular, &directory, i)) return false;
  switch (entry.type) {
    case DT_REG:
      node->size = static_cast<uint64_t>(st.st_size);
      if (node->size > kMaxSize) return fail(ScanStep::kRead, -EFBIG, &directory, i);
      if (may_split && node->size > kLongWork) {
        push({task.directory, task.fd, i + 1, task.last});
        *long_work = true;
      }
      return read_regular(worker, *node, fd.get(), st.st_dev, directory, i);
    case DT_LNK: {
      char target[kTargetBytes];
      const ssize_t n = readlinkat(fd.get(), "", target, sizeof target);
      if (n < 0) return fail(ScanStep::kReadLink, -errno, &directory, i);
      node->kind = ScanKind::kSymlink;
      node->content.assign(target, static_cast<size_t>(n));
      return true;
    }
    case DT_CHR:
    case DT_BLK:
      node->kind = entry.type == DT_CHR ? ScanKind::kChar : ScanKind::kBlock;
      node->size = st.st_rdev;
      return true;
    default:
      node->kind = entry.type == DT_FIFO ? ScanKind::kFifo : ScanKind::kSocket;
      return true;
  }
}

bool Scan::read_regular(Worker& worker, Node& node, int fd, uint64_t device, const Directory& directory, uint32_t i) {
  if (node.size <= settings_.inline_limit) {
    node.kind = ScanKind::kInline;
    if (node.size == 0) return true;
    node.content.resize(node.size);
    const ssize_t n = read_at(fd, reinterpret_cast<uint8_t*>(&node.content[0]), node.size, 0);
    if (n < 0) return fail(ScanStep::kRead, static_cast<int>(n), &directory, i);
    if (static_cast<uint64_t>(n) == node.size) return true;
    ScanFailure failure;
    failure.step = ScanStep::kSizeChanged, failure.expected_size = node.size;
    failure.row.size = static_cast<uint64_t>(n);
    return fail(std::move(failure), &directory, i);
  }
  node.kind = ScanKind::kExternal;
  if (!settings_.store) return hash_file(worker, node, fd, directory, i);
  SourceItem item;
  item.size = node.size;
  ScanFailure failure;
  settings_.store->store_open_file(fd, static_cast<dev_t>(device), item, settings_.cancel, failure.row);
  if (failure.row.failed()) {
    failure.step = failure.row.outcome == Outcome::kFailedSize  ? ScanStep::kSizeChanged
                   : failure.row.outcome == Outcome::kCancelled ? ScanStep::kCancelled
                                                                : ScanStep::kStore;
    failure.expected_size = node.size, failure.error = failure.row.error;
    return fail(std::move(failure), &directory, i);
  }
  node.content.assign(reinterpret_cast<const char*>(failure.row.id.data()), digest_bytes(settings_.algorithm));
  return true;
}

bool Scan::hash_file(Worker& worker, Node& node, int fd, const Directory& directory, uint32_t i) {
  const auto shrunk = [&](uint64_t found) {
    ScanFailure failure;
    failure.step = ScanStep::kSizeChanged, failure.expected_size = node.size, failure.row.size = found;
    return fail(std::move(failure), &directory, i);
  };
  if (node.size <= ContentGroup::kMaxFileBytes) {  // waits for others, to fill the lanes of a vector
    const ssize_t n = read_at(fd, worker.contents.place(), node.size, 0);
    if (n < 0) return fail(ScanStep::kRead, static_cast<int>(n), &directory, i);
    if (static_cast<uint64_t>(n) < node.size) return shrunk(static_cast<uint64_t>(n));
    worker.contents.add(node.size);
    worker.content_nodes.push_back(&node);
    if (worker.contents.full()) hash_contents(worker);
    return true;
  }
  Scratch& local = scratch(settings_.algorithm);
  for (uint64_t done = 0; done < node.size;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(local.buffer.size(), node.size - done));
    const ssize_t n = read_at(fd, local.buffer.data(), wanted, done);
    if (n < 0) return fail(ScanStep::kRead, static_cast<int>(n), &directory, i);
    if (static_cast<size_t>(n) < wanted) return shrunk(done + static_cast<uint64_t>(n));
    local.hasher.update(local.buffer.data(), wanted);
    if (stopped()) return false;
    done += wanted;
  }
  uint8_t digest[kMaxDigestBytes];
  local.hasher.finish(digest);
  node.content.assign(reinterpret_cast<const char*>(digest), digest_bytes(settings_.algorithm));
  return true;
}

void Scan::hash_contents(Worker& worker) {
  worker.contents.hash(settings_.algorithm);
  const size_t size = digest_bytes(settings_.algorithm);
  for (size_t i = 0; i < worker.content_nodes.size(); i++) {
    worker.content_nodes[i]->content.assign(reinterpret_cast<const char*>(worker.contents.digest(i)), size);
  }
  worker.contents.clear();
  worker.content_nodes.clear();
}

bool Scan::read_attributes(Worker& worker, Node& node, int fd, bool path_only, const Directory* directory,
                           uint32_t i) {
  // An O_PATH descriptor takes no xattr call; its name in /proc leads to the node itself, a symlink included.
  char self[32] = "";
  if (path_only) snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  char* names = worker.xattr_names.data();
  const ssize_t length = path_only ? listxattr(self, names, kXattrBytes) : flistxattr(fd, names, kXattrBytes);
  if (length < 0 && errno != EOPNOTSUPP) return fail(ScanStep::kListXattr, -errno, directory, i);
  for (ssize_t at = 0; at < length;) {
    const char* name = names + at;
    const size_t name_length = strnlen(name, static_cast<size_t>(length - at));
    at += static_cast<ssize_t>(name_length) + 1;
    uint8_t* value = worker.xattr_value.data();
    const ssize_t n = path_only ? getxattr(self, name, value, kXattrBytes) : fgetxattr(fd, name, value, kXattrBytes);
    if (n < 0) return fail(ScanStep::kGetXattr, -errno, directory, i);
    node.xattrs.push_back(pair_index(name, name_length, value, static_cast<size_t>(n)));
  }
  return true;
}

// Few different attributes stand on many files (labels above all), so each is kept once.
uint32_t Scan::pair_index(const char* name, size_t name_length, const uint8_t* value, size_t value_length) {
  std::string key(name, name_length + 1);
  key.append(reinterpret_cast<const char*>(value), value_length);
  std::lock_guard<std::mutex> hold(pair_mutex_);
  const auto found = pairs_.try_emplace(std::move(key), static_cast<uint32_t>(pairs_.size()));
  if (found.second) {
    columns_.pair_name_lengths.push_back(static_cast<uint32_t>(name_length));
    columns_.pair_value_lengths.push_back(static_cast<uint32_t>(value_length));
    append(columns_.pair_bytes, name, name_length);
    append(columns_.pair_bytes, value, value_length);
  }
  return found.first->second;
}

}  // namespace reflink
